# Entering a root: private namespaces, private /dev, /proc and /sys, no trace left behind.
# Nothing here resolves a path inside the root from outside: a link in it may lead anywhere.

# inside <<END: run the verbs of lib/inside.sh, one instruction a line, within the root. No network.
# All data instructions of a stretch share this one entry (a few ms; `buildah run` costs 200).
inside() {
    { printf '. /dev/buildsys/plan/lib/inside.sh\n' && cat; } >"$SCRATCH/inside"
    : >"$SCRATCH/spot"
    # The shell inside tells where it stands through a file; an ERR trap cannot see into it.
    namespace --net bash "$LIB/namespace.sh" inside "$ROOT" "$PLAN" "$SCRATCH" "${SOURCES[@]}" || {
        local status=$?
        read -r SPOT <"$SCRATCH/spot" || :
        return "$status"
    }
}

# beside COMMAND…: run a program of the host that works on the root; scriptlets find private /dev, /proc, /sys.
# It has the network only where the site's repositories are not carried in the plan.
beside() {
    local net=(--net)
    if [[ $NETWORK == 1 ]]; then net=(); fi
    namespace "${net[@]}" bash "$LIB/namespace.sh" beside "$ROOT" "$@"
}

# run ARGV…: a recipe's `run`, through buildah, without network; nothing of its mounts stays in the layer.
run() {
    local limit=()
    if [[ $1 == --open-files ]]; then
        # shellcheck disable=SC2016 # for the shell inside
        limit=(/bin/sh -c 'ulimit -n "$1" 2>/dev/null || ulimit -n "$(ulimit -Hn)"; shift; exec "$@"' sh "$2")
        shift 2
    fi
    WRAPPER=(unshare --net --)
    buildah_run "${limit[@]}" "$@"
    WRAPPER=()
}

# buildah_run ARGV…: `buildah run` with RUN_OPTIONS, called through WRAPPER. A wrapper without network
# serves every isolation: chroot can only share what it is given.
buildah_run() {
    touch "$SCRATCH/run"
    "${WRAPPER[@]}" buildah "${STORE[@]}" run --isolation "$(isolation)" --network host "${RUN_OPTIONS[@]}" \
        --env SOURCE_DATE_EPOCH="$BS_EPOCH" "$CONTAINER" -- "$@"
    # buildah makes empty files and directories to mount over where the image has none.
    find -P "$UPPER" -mindepth 1 -maxdepth 2 -newer "$SCRATCH/run" -empty \( \
        -path "$UPPER/etc/hosts" -o -path "$UPPER/etc/resolv.conf" -o -path "$UPPER/etc/hostname" \
        -o -path "$UPPER/run/.containerenv" -o -path "$UPPER/proc" -o -path "$UPPER/sys" \
        -o -path "$UPPER/dev" \) -delete
}
WRAPPER=()
RUN_OPTIONS=()

# isolation: what works for `buildah run` here: an OCI runtime, else chroot. Probed once a run.
isolation() {
    if [[ -z ${BS_ISOLATION-} ]]; then
        exec 8>>"$STATE/isolation.lock"
        flock 8
        if [[ ! -s $STATE/isolation ]]; then
            if unshare --net -- buildah "${STORE[@]}" run --isolation oci --network host "$CONTAINER" -- \
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
