# The working container of one build: begun from the parent, mounted, gone at the end whatever happens.

# scratch_begin: a place for what nobody needs afterwards.
scratch_begin() {
    SCRATCH=$STATE/scratch.$IMAGE.$$
    # What buildah and skopeo put aside while they pack a layer is as large as that.
    export TMPDIR=$SCRATCH/tmp
    mkdir -p "$SCRATCH/normal" "$SCRATCH/stamps" "$TMPDIR"
}

container_begin() {
    plan_id
    CONTAINER=buildsys-$PLAN_ID-$IMAGE
    # The marker lets the next run find what a kill -9 left behind.
    : >"$STATE/working.$IMAGE"
    # No proxy of the host enters the environment of a `run`.
    buildah from --quiet --pull-never --http-proxy=false --name "$CONTAINER" "$PARENT" >/dev/null
    ROOT=$(buildah mount "$CONTAINER")
    # With overlay, what this step changes lies in a directory of its own beside the merged root.
    UPPER=$ROOT SINCE=0
    if [[ $DRIVER == overlay && -d ${ROOT%/merged}/diff ]]; then
        UPPER=${ROOT%/merged}/diff
    else
        # Without, what changes from now on; a file's clock ticks slower than this one.
        clock
        SINCE=$NOW
        list_names "$SCRATCH/names"
        sleep 0.02
    fi
}

# without_marks: overlays of an ordinary user keep notes in attributes of files that were there before the step. Older tools
# take these into the layer, which then is another than root's.
without_marks() {
    local mark
    [[ $UPPER != "$ROOT" && -n ${_CONTAINERS_ROOTLESS_UID-} ]] || return 0
    for mark in origin impure; do
        # Most files have none.
        find -P "$UPPER" \( -type f -o -type d \) -exec setfattr -h -x "user.overlay.$mark" -- {} + 2>/dev/null || :
    done
}

# container_end: CONTAINER is empty when there is none any more.
container_end() {
    sources_close
    if [[ -n ${CONTAINER-} ]]; then
        # One that cannot be removed keeps its marker for the next run; one that was not begun has none to keep.
        command buildah "${STORE[@]}" rm "$CONTAINER" >/dev/null 2>&1 ||
            ! command buildah "${STORE[@]}" inspect --type container "$CONTAINER" >/dev/null 2>&1 || return 0
    fi
    [[ -z ${SCRATCH-} ]] || rm -rf "$SCRATCH" "$STATE/working.$IMAGE"
}

# plan_id: sets PLAN_ID, a few letters that keep two plans in one store apart.
plan_id() {
    [[ -s $STATE/id ]] || (set -C && od -An -N4 -tx4 /dev/urandom | tr -d ' ' >"$STATE/id") 2>/dev/null || :
    read -r PLAN_ID _ <"$STATE/id"
}
