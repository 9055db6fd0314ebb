# Entering a root: private namespaces, private /dev, /proc and /sys, no trace left behind.
# Nothing here resolves a path inside the root from outside: a link in it may lead anywhere.

# ONLINE=1 before one of these gives it the network; without, there is none.
ONLINE=''

# inside <<END: run the verbs of lib/inside.sh, one instruction a line, within the root.
# All data instructions of a stretch share this one entry, a few ms.
inside() {
    lend_scratch || return
    # Written in full or not run: on a full disk half of it would do half of the work, and succeed.
    { printf '. /dev/buildsys/plan/lib/inside.sh\n' && cat; } >"$LENT/inside" || return
    # The shell inside tells where it stands through a file; an ERR trap cannot see into it.
    into inside "$ROOT" "$PLAN" "$LENT" "${SOURCES[@]}" || {
        local status=$?
        ! plain_file "$LENT/spot" || read -r SPOT <"$LENT/spot" || :
        return "$status"
    }
}

# within [NAME=DIR…] COMMAND…: run a program of the root; it finds the plan, LENT as `scratch` and each DIR in /dev/buildsys;
# of these it may write in `scratch` and `cache`.
within() {
    lend_scratch || return
    into within "$ROOT" "$PLAN" "$LENT" "$@"
}

# lend_scratch: sets LENT, a new folder that the next entry may write in. The host writes there only before, and reads
# there only what is a plain file: programs of the root may leave links to anywhere.
lend_scratch() {
    LENT=$SCRATCH/lent.$BASHPID.$((++LENDINGS))
    mkdir -p "$LENT"
}
LENDINGS=0

plain_file() { [[ -f $1 && ! -L $1 ]]; }

# beside [cache=DIR] COMMAND…: run a program of the host that works on the root; scriptlets find private /dev,
# /proc and /sys.
beside() { into beside "$ROOT" "$@"; }

into() {
    local net=(--net) made=() directory status=0
    [[ $ONLINE != 1 ]] || net=()
    # An image of one program may have nowhere to mount these; then it does not get them for good.
    for directory in dev proc sys; do
        [[ $1 == within || -e $ROOT/$directory || -L $ROOT/$directory ]] || made+=("$ROOT/$directory")
    done
    ONLINE=$ONLINE namespace "${net[@]}" bash "$LIB/namespace.sh" "$@" || status=$?
    ((${#made[@]} == 0)) || rmdir "${made[@]}" || :
    return "$status"
}

# run ARGV…: a recipe's `run`, without network; nothing of its mounts stays in the layer. In namespaces of our own (15 ms),
# or, where BS_ISOLATION names one, through that isolation of `buildah run` (200 ms).
run() {
    local limit=()
    if [[ $1 == --open-files ]]; then
        # shellcheck disable=SC2016 # for the shell inside
        limit=(/bin/sh -c 'ulimit -n "$1" 2>/dev/null || ulimit -n "$(ulimit -Hn)"; shift; exec "$@"' sh "$2")
        shift 2
    fi
    RUNNING=yes
    if [[ -n ${BS_ISOLATION-} ]]; then
        buildah_run "${limit[@]}" "$@"
    else
        parent_settings
        into run "$ROOT" "$SETTINGS" "${limit[@]}" "$@" </dev/null
    fi
    RUNNING=''
}
RUNNING=''

# parent_settings: sets SETTINGS, a file of the working directory and the environment of the parent's configuration, each
# ended by NUL; asked once a run for each parent.
parent_settings() {
    SETTINGS=$STATE/settings.$PARENT
    [[ ! -e $SETTINGS ]] || return 0
    if [[ $PARENT == scratch ]]; then
        : >"$SCRATCH/settings"
    else
        buildah inspect --type image --format \
            '{{.OCIv1.Config.WorkingDir}}{{"\x00"}}{{range .OCIv1.Config.Env}}{{.}}{{"\x00"}}{{end}}' "$PARENT" \
            >"$SCRATCH/settings"
    fi
    mv "$SCRATCH/settings" "$SETTINGS"
}

# buildah_run ARGV…: as root, in namespaces of its own: what ARGV leaves running ends with it, and the network is away
# whatever the isolation: chroot only shares what it is given.
buildah_run() {
    local status=0 before path
    before=$(mount_points)
    namespace --net buildah "${STORE[@]}" run --isolation "$BS_ISOLATION" --network host --hostname localhost \
        --user 0:0 --env SOURCE_DATE_EPOCH="$BS_EPOCH" "$CONTAINER" -- "$@" || status=$?
    # Taken away through the mounted root: what goes from beneath it, it would still show, and lose what is written there.
    while IFS= read -r path; do
        [[ $'\n'$before$'\n' == *$'\n'$path$'\n'* ]] || rm -d "$path"
    done < <(mount_points)
    return "$status"
}

# mount_points: the empty files and directories that buildah makes to mount over where the image has none.
mount_points() {
    find -P "$ROOT" -mindepth 1 -maxdepth 2 -empty \( -path "$ROOT/etc/hosts" -o -path "$ROOT/etc/resolv.conf" \
        -o -path "$ROOT/etc/hostname" -o -path "$ROOT/run/.containerenv" -o -path "$ROOT/proc" -o -path "$ROOT/sys" \
        -o -path "$ROOT/dev" \)
}

namespace() {
    local options=(--mount --propagation private --pid --fork --kill-child --mount-proc --ipc --uts)
    if [[ $1 == --net ]]; then
        options+=(--net)
        shift
    fi
    unshare "${options[@]}" -- "$@"
}
