# A chroot whose / is not the root of a mount: the kernel changes no propagation and no root file system there, which each step needs.

# as_root_of_a_mount ARGUMENT…: as root in such a chroot, start this program again in a mount namespace in which / is a mount. Nothing of
# that reaches the host: the mount is on top of /proc, which is private before.
as_root_of_a_mount() {
    ((EUID == 0)) && ! is_root_a_mount || return 0
    check_mounting
    # shellcheck disable=SC2016 # for the shell inside
    exec unshare --mount --propagation unchanged -- "$BASH" -c '
        mount -n --make-private /proc && mount -n --rbind / /proc && mount -n --make-rprivate /proc || {
            printf "error: / of this chroot is not a mount, and cannot be made one\n" >&2
            printf "  hint: bind the root to itself before: mount --bind ROOT ROOT\n" >&2
            exit 3
        }
        exec chroot /proc "$BASH" -c "cd \"\$0\" && exec \"\$@\"" "$PWD" "$@"' "$BASH" "$BASH" "$PLAN/lib/${0##*/}" "$@"
}

# check_mounting: exit 3 unless this process may mount and create namespaces.
check_mounting() {
    local name value
    while read -r name value; do
        [[ $name != CapEff: ]] || ((16#$value >> 21 & 1)) || {
            printf 'error: root may not mount or create namespaces here: that takes CAP_SYS_ADMIN\n' >&2
            printf '  hint: give it to the container; or build as an ordinary user with subordinate ids\n' >&2
            exit 3
        }
    done </proc/self/status
}
