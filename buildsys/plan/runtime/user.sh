# An ordinary user builds as root of a user namespace, which buildah makes from the user's subordinate ids.

# as_root_of_a_namespace ARGUMENT…: begin this program again in that namespace, once for the whole run; or say what is missing.
as_root_of_a_namespace() {
    local user limit
    ((EUID != 0)) && [[ -z ${BS_USERNS-} ]] && command -v buildah >/dev/null || return 0
    user=$(id -un 2>/dev/null) || user=$EUID
    for limit in user/max_user_namespaces kernel/unprivileged_userns_clone; do
        [[ ! -r /proc/sys/$limit || $(</proc/sys/$limit) != 0 ]] ||
            no_namespace "this kernel lets ordinary users make no user namespaces" "root allows them: sysctl ${limit/\//.}=…"
    done
    for limit in newuidmap newgidmap; do
        command -v "$limit" >/dev/null ||
            no_namespace "$limit is not installed" 'it is in uidmap (Debian) or shadow-utils (Fedora)'
    done
    # Where a directory service gives them, these files say nothing.
    grep -qs '^subid:' /etc/nsswitch.conf || for limit in uid gid; do
        grep -qsE "^($user|$EUID):" "/etc/sub$limit" ||
            no_namespace "$user has no subordinate ids in /etc/sub$limit" \
                "root gives some: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $user"
    done
    BS_USERNS=1 exec buildah unshare -- "$BASH" "$0" "$@"
}

no_namespace() {
    printf 'error: an ordinary user builds in a user namespace, and %s\n  hint: %s\n' "$1" "$2" >&2
    exit 3
}
