# An ordinary user builds as root of a user namespace, which buildah creates from the user's subordinate ids.

# An image may use the ids 0 to 65535.
FEWEST_IDS=65536

# as_root_of_a_namespace ARGUMENT…: start this program again in that namespace, once for the whole run; exit 3 if something is missing.
as_root_of_a_namespace() {
    local user
    ((EUID != 0)) && [[ -z ${BS_USERNS-} ]] && command -v buildah >/dev/null || return 0
    user=$(id -un 2>/dev/null) || user=$EUID
    check_kernel
    check_mapping_programs
    check_subordinate_ids
    run_in_namespace "$BASH" "$0" "$@"
}

# run_in_namespace COMMAND…: run a command in that namespace, and exit with its status. buildah itself would end at the first signal,
# before the command, with status 1 and a log of its own. So it is in another process group, signals go to the command, and what buildah
# prints is shown only if the command never began. The command has no stdin: its descriptor carries stderr past buildah.
run_in_namespace() {
    local place status=0 entered='' heard='' left process signal
    # Remove what a killed run left.
    for left in "${TMPDIR:-/var/tmp}"/buildsys-namespace.*; do
        process=${left##*/buildsys-namespace.}
        [[ ! -O $left || -L $left || -d /proc/${process%%.*} ]] || rm -rf -- "$left"
    done
    place=$(mktemp -d "${TMPDIR:-/var/tmp}/buildsys-namespace.$$.XXXXXX" 2>/dev/null) || place=$(mktemp -d)
    # shellcheck disable=SC2064 # expand now
    trap "$(printf 'rm -rf %q' "$place")" EXIT
    # shellcheck disable=SC2064 # expand now
    for signal in INT TERM HUP; do trap "heard=yes; pass_signal $signal $(printf %q "$place/command")" "$signal"; done
    set -m
    # shellcheck disable=SC2016 # for the shell inside
    BS_USERNS=1 buildah unshare -- "$BASH" -c 'exec 2>&0 </dev/null; printf "%d\n" "$$" >"$0"; exec "$@"' "$place/command" "$@" \
        <&2 2>"$place/log" &
    entered=$!
    set +m
    [[ -z $heard ]] || pass_signal TERM "$place/command"
    # A signal interrupts `wait`, but the command may still run.
    while wait "$entered" || status=$?; kill -0 "$entered" 2>/dev/null; do status=0; done
    # buildah exits with 1 if a signal ended the command before it could answer.
    [[ -z $heard || $status == 0 ]] || exit 130
    [[ -s $place/command ]] ||
        fail_without_namespace "buildah cannot create it: $(head -n 1 "$place/log")" 'run by hand: buildah unshare true; root can build here'
    exit "$status"
}

# pass_signal SIGNAL FILE: FILE holds the process of the command; before it begins, the signal ends buildah.
pass_signal() {
    local process
    if [[ -s $2 ]] && read -r process <"$2"; then
        kill -s "$1" "$process" || :
    elif [[ -n $entered ]]; then
        kill -s TERM -- "-$entered" || :
    fi
} 2>/dev/null

check_kernel() {
    local limit complaint
    for limit in user/max_user_namespaces kernel/unprivileged_userns_clone; do
        [[ ! -r /proc/sys/$limit || $(</proc/sys/$limit) != 0 ]] ||
            fail_without_namespace 'this kernel does not let ordinary users create user namespaces' \
                "root allows them: sysctl ${limit/\//.}=$([[ $limit == user/* ]] && echo 15000 || echo 1)"
    done
    # Linux lets no process in a chroot create one.
    complaint=$(unshare --user true 2>&1) || {
        if is_root_a_mount; then
            fail_without_namespace "no user namespace can be created here: ${complaint##*$'\n'}" \
                'a container or a security policy forbids it; root can build here'
        else
            fail_without_namespace 'no user may create one in a chroot' \
                'enter the root as / of its mount namespace, as mock and systemd-nspawn do by default; or build as root'
        fi
    }
    [[ ! -r /proc/sys/kernel/apparmor_restrict_unprivileged_userns ]] ||
        [[ $(</proc/sys/kernel/apparmor_restrict_unprivileged_userns) == 0 ]] || buildah unshare true 2>/dev/null ||
        fail_without_namespace 'AppArmor does not let ordinary users use one' \
            'root allows it: sysctl kernel.apparmor_restrict_unprivileged_userns=0'
}

# is_root_a_mount: is / the root of a mount? In a chroot it is often a plain directory.
is_root_a_mount() { awk '$5 == "/" { found = 1 } END { exit !found }' /proc/self/mountinfo; }

# check_mapping_programs: newuidmap and newgidmap must be here, and must run with their rights.
check_mapping_programs() {
    local program path package
    ! grep -qs '^NoNewPrivs:[[:space:]]*1' /proc/self/status ||
        fail_without_namespace 'this process may not gain the rights of newuidmap (no_new_privs is set)' \
            'whatever started it sets that: a container without it (--security-opt no-new-privileges=false), a unit with NoNewPrivileges=no'
    for program in newuidmap newgidmap; do
        path=$(type -P "$program") ||
            fail_without_namespace "$program is not installed" 'it is in uidmap (Debian) or shadow-utils (Fedora)'
        # A program without setuid may have a capability instead, which only some hosts can show.
        if [[ -u $path ]] || ! command -v getfattr >/dev/null; then continue; fi
        ! getfattr --absolute-names -n security.capability "$path" >/dev/null 2>&1 || continue
        package='apt-get install --reinstall uidmap'
        command -v apt-get >/dev/null || package='dnf reinstall shadow-utils'
        fail_without_namespace "$path has lost its rights: it has neither setuid nor a capability" "root puts them back: $package"
    done
}

# check_subordinate_ids: the user of this run needs FEWEST_IDS of both kinds.
check_subordinate_ids() {
    local kind given has first
    # A directory service may supply subordinate ids instead of these files.
    ! grep -qs '^subid:' /etc/nsswitch.conf || return 0
    for kind in uid gid; do
        given=$(awk -F : -v name="$user" -v number="$EUID" '$1 == name || $1 == number { sum += $3 } END { print sum + 0 }' \
            "/etc/sub$kind" 2>/dev/null) || given=0
        ((given < FEWEST_IDS)) || continue
        has="no subordinate ids"
        ((given == 0)) || has="only $given subordinate ids"
        first=$(find_free_ids)
        fail_without_namespace "$user has $has in /etc/sub$kind" \
            "root gives some: usermod --add-subuids $first-$((first + FEWEST_IDS - 1)) --add-subgids $first-$((first + FEWEST_IDS - 1)) $user"
    done
}

# find_free_ids: print the first number above all subordinate ids of this host.
find_free_ids() {
    { cat /etc/subuid /etc/subgid 2>/dev/null || :; } |
        awk -F : 'BEGIN { first = 100000 } $2 + $3 > first { first = $2 + $3 } END { printf "%d", first }'
}

fail_without_namespace() {
    printf 'error: an ordinary user builds in a user namespace, and %s\n  hint: %s\n' "$1" "$2" >&2
    exit 3
}
