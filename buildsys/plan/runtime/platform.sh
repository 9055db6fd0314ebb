# Building for a platform that is not this machine's: its programs run under an emulator that the kernel starts (binfmt_misc).

# A program for each platform that ends with status 0, and does nothing else.
declare -A PROBES=(
    [linux/amd64]=f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAEAAAAAAAAAAQAAAAAAAgQAAAAAAAACBAAAAAAAAAAAQAAAAAAAAuDwAAAAx/w8F
    [linux/arm64]=f0VMRgIBAQAAAAAAAAAAAAIAtwABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAEAAAAAAAAAAQAAAAAAAhAAAAAAAAACEAAAAAAAAAAAQAAAAAAAAAACA0qgLgNIBAADU
)

# check_platform: exit 3 unless programs of PLATFORM run here, in the roots of images too.
check_platform() {
    local lack where="build it on a machine that is $PLATFORM"
    [[ -n $FOREIGN ]] || return 0
    [[ $INSTALLER == apt ]] || decline "this plan is for $PLATFORM, and packages in the format rpm are installed by this machine's own tools" "$where" 3
    ! grep -q '^CONTAINERFILE=' "$PLAN"/steps/*.sh || decline "this plan is for $PLATFORM, and has Containerfiles" "$where" 3
    lack=$(find_lack "$PLATFORM" "$TMPDIR") || decline "programs of $PLATFORM do not run on this machine" "$lack; or $where" 3
}

# find_lack PLATFORM FOLDER: return 1 and print what helps if programs of PLATFORM do not run here. FOLDER is for temporary files.
find_lack() {
    local place enter=()
    place=$(mktemp -d "$2/probe.XXXXXX") || return
    base64 -d <<<"${PROBES[$1]}" >"$place/probe"
    chmod 755 "$place" "$place/probe"
    # A root that holds nothing else: there the kernel has an emulator only if it opened that before, by the flag F of binfmt_misc.
    ((EUID)) || enter=(unshare --root "$place")
    if ((EUID == 0)) && "${enter[@]}" /probe 2>/dev/null; then
        rm -rf "$place"
        return
    elif "$place/probe" 2>/dev/null; then
        rm -rf "$place"
        ((EUID == 0)) || return 0
        printf 'the emulator needs the flag F in /proc/sys/fs/binfmt_misc, with which qemu-user-static of Debian registers it'
    else
        rm -rf "$place"
        [[ -e /proc/sys/fs/binfmt_misc/status ]] || printf 'mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && '
        if command -v apt-get >/dev/null; then printf 'apt-get install qemu-user-static'; else printf 'dnf install qemu-user-static'; fi
    fi
    return 1
}
