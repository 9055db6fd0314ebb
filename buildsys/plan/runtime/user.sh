# An ordinary user builds as root of a user namespace, which buildah creates from the user's subordinate ids.

# as_root_of_a_namespace ARGUMENT…: start this program again in that namespace, once for the whole run; exit 3 if something is missing.
as_root_of_a_namespace() {
    local user limit
    ((EUID != 0)) && [[ -z ${BS_USERNS-} ]] && command -v buildah >/dev/null || return 0
    user=$(id -un 2>/dev/null) || user=$EUID
    for limit in user/max_user_namespaces kernel/unprivileged_userns_clone; do
        [[ ! -r /proc/sys/$limit || $(</proc/sys/$limit) != 0 ]] ||
            fail_without_namespace "this kernel does not let ordinary users create user namespaces" "root allows them: sysctl ${limit/\//.}=…"
    done
    for limit in newuidmap newgidmap; do
        command -v "$limit" >/dev/null ||
            fail_without_namespace "$limit is not installed" 'it is in uidmap (Debian) or shadow-utils (Fedora)'
    done
    # A directory service may supply subordinate ids instead of these files.
    grep -qs '^subid:' /etc/nsswitch.conf || for limit in uid gid; do
        grep -qsE "^($user|$EUID):" "/etc/sub$limit" ||
            fail_without_namespace "$user has no subordinate ids in /etc/sub$limit" \
                "root gives some: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $user"
    done
    BS_USERNS=1 exec buildah unshare -- "$BASH" "$0" "$@"
}

fail_without_namespace() {
    printf 'error: an ordinary user builds in a user namespace, and %s\n  hint: %s\n' "$1" "$2" >&2
    exit 3
}
