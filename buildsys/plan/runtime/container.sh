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
    refuse_triggers "${BASE:-$FROM}" "$PARENT"
    # No proxy of the host enters the environment of a `run`.
    buildah from --quiet --pull-never --http-proxy=false --name "$CONTAINER" "$PARENT" >/dev/null
    if ! ROOT=$(buildah mount "$CONTAINER" 2>"$SCRATCH/mount"); then
        if grep -q 'max depth exceeded' "$SCRATCH/mount"; then
            too_many_layers "$(buildah inspect --type image --format '{{len .OCIv1.RootFS.DiffIDs}}' "$PARENT")"
        fi
        cat "$SCRATCH/mount"
        return 1
    fi
    check_layers
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

# has_triggers ID: does this image say ONBUILD?
has_triggers() {
    [[ $1 != scratch ]] || return
    stored "$1" '=c2hhMjU2O*' --config
    grep -q '"OnBuild":\["' "$KEPT"
}

# refuse_triggers NAME ID: buildah would run them when a container begins, with the host's network and outside of bwrap.
refuse_triggers() {
    ! has_triggers "$2" || {
        printf 'error: the image %s says ONBUILD; its triggers are not run for a recipe\n' "$1"
        printf '  hint: a Containerfile that begins FROM %s runs them, without network\n' "$1"
        return 1
    }
}

# The overlay driver of most engines mounts so many layers and no more: an image with another one can be made, not run.
MOST_LAYERS=128

# check_layers: the file in which the driver notes the layers below this one costs no process.
check_layers() {
    local below=()
    [[ ! -s ${ROOT%/merged}/lower ]] || IFS=: read -ra below <"${ROOT%/merged}/lower" || :
    ((${#below[@]} < MOST_LAYERS)) || too_many_layers "${#below[@]}"
}

# too_many_layers COUNT: of the parent.
too_many_layers() {
    printf 'error: %s: the image would have %d layers, of which %d are possible: %s has %d\n' \
        "$RECIPE" "$(($1 + 1))" "$MOST_LAYERS" "${BASE:-$FROM}" "$1"
    printf '  hint: let some of the images below it be one, or begin with a base image of fewer layers\n'
    return 1
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
