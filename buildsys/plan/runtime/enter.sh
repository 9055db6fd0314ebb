# Entering a root: private namespaces, private /dev, /proc and /sys, no trace left behind.
# Nothing here resolves a path inside the root from outside: a link in it may lead anywhere.

# ONLINE=1 before one of these gives it the network; without, there is none.
ONLINE=''

# inside <<END: run the verbs of lib/inside.sh, one instruction a line, within the root.
# All data instructions of a stretch share this one entry (a few ms; `buildah run` costs 200).
inside() {
    # Written in full or not run: on a full disk half of it would do half of the work, and succeed.
    printf '. /dev/buildsys/plan/lib/inside.sh\n' >"$SCRATCH/inside" || return
    cat >>"$SCRATCH/inside" || return
    : >"$SCRATCH/spot"
    # The shell inside tells where it stands through a file; an ERR trap cannot see into it.
    into inside "$ROOT" "$PLAN" "$SCRATCH" "${SOURCES[@]}" || {
        local status=$?
        read -r SPOT <"$SCRATCH/spot" || :
        return "$status"
    }
}

# within [cache=DIR] COMMAND…: run a program of the root; it finds the plan and SCRATCH in /dev/buildsys.
within() { into within "$ROOT" "$PLAN" "$SCRATCH" "$@"; }

# beside [cache=DIR] COMMAND…: run a program of the host that works on the root; scriptlets find private /dev,
# /proc and /sys.
beside() { into beside "$ROOT" "$@"; }

into() {
    local net=(--net)
    [[ $ONLINE != 1 ]] || net=()
    ONLINE=$ONLINE namespace "${net[@]}" bash "$LIB/namespace.sh" "$@"
}

# run ARGV…: a recipe's `run`, through buildah, without network; nothing of its mounts stays in the layer.
run() {
    local limit=()
    if [[ $1 == --open-files ]]; then
        # shellcheck disable=SC2016 # for the shell inside
        limit=(/bin/sh -c 'ulimit -n "$1" 2>/dev/null || ulimit -n "$(ulimit -Hn)"; shift; exec "$@"' sh "$2")
        shift 2
    fi
    RUNNING=yes
    buildah_run --net "${limit[@]}" "$@"
    RUNNING=''
}
RUNNING=''

# buildah_run [--net] ARGV…: `buildah run` with RUN_OPTIONS, as root, in namespaces of its own: what ARGV leaves
# running ends with it, and --net keeps the network away whatever the isolation: chroot only shares what it is given.
buildah_run() {
    local status=0 net=() before path
    if [[ $1 == --net ]]; then
        net=(--net)
        shift
    fi
    before=$(mount_points)
    namespace "${net[@]}" buildah "${STORE[@]}" run --isolation "$(isolation)" --network host --hostname localhost \
        --user 0:0 "${RUN_OPTIONS[@]}" --env SOURCE_DATE_EPOCH="$BS_EPOCH" "$CONTAINER" -- "$@" || status=$?
    # Taken away through the mounted root: what goes from beneath it, it would still show, and lose what is written there.
    while IFS= read -r path; do
        [[ $'\n'$before$'\n' == *$'\n'$path$'\n'* ]] || rm -d "$path"
    done < <(mount_points)
    return "$status"
}
RUN_OPTIONS=()

# mount_points: the empty files and directories that buildah makes to mount over where the image has none.
mount_points() {
    find -P "$ROOT" -mindepth 1 -maxdepth 2 -empty \( -path "$ROOT/etc/hosts" -o -path "$ROOT/etc/resolv.conf" \
        -o -path "$ROOT/etc/hostname" -o -path "$ROOT/run/.containerenv" -o -path "$ROOT/proc" -o -path "$ROOT/sys" \
        -o -path "$ROOT/dev" \)
}

# isolation: what works for `buildah run` here: an OCI runtime, else chroot. Probed once a run.
isolation() {
    if [[ -z ${BS_ISOLATION-} ]]; then
        exec 8>>"$STATE/isolation.lock"
        flock 8
        if [[ ! -s $STATE/isolation ]]; then
            if namespace --net buildah "${STORE[@]}" run --isolation oci --network host "$CONTAINER" -- \
                /bin/sh -c : >/dev/null 2>&1; then
                printf 'oci\n'
            else
                printf 'chroot\n'
            fi >"$STATE/isolation"
        fi
        exec 8>&-
        BS_ISOLATION=$(<"$STATE/isolation")
    fi
    printf '%s' "$BS_ISOLATION"
}

namespace() {
    local options=(--mount --propagation private --pid --fork --kill-child --mount-proc)
    if [[ $1 == --net ]]; then
        options+=(--net)
        shift
    fi
    unshare "${options[@]}" -- "$@"
}
