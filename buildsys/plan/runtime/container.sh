# The working container of one build: created from the parent, mounted, and removed at the end in every case.

# make_scratch: create the scratch folder of this step; it is removed when the step ends.
make_scratch() {
    SCRATCH=$STATE/scratch.$IMAGE.$$
    # The temporary files of buildah and skopeo are as large as the layer that they pack.
    export TMPDIR=$SCRATCH/tmp
    mkdir -p "$SCRATCH/normal" "$SCRATCH/stamps" "$TMPDIR"
}

begin_container() {
    read_plan_id
    CONTAINER=buildsys-$PLAN_ID-$IMAGE
    # The marker lets the next run find the container after a kill -9.
    : >"$STATE/working.$IMAGE"
    refuse_triggers "${BASE:-$FROM}" "$PARENT"
    # Keep the host's proxies out of the environment of a `run`.
    buildah from --quiet --pull-never --http-proxy=false ${FOREIGN:+--arch "${PLATFORM#*/}"} --name "$CONTAINER" "$PARENT" >/dev/null
    [[ -z $FOREIGN || $PARENT != scratch ]] || buildah config --arch "${PLATFORM#*/}" "$CONTAINER"
    if ! ROOT=$(buildah mount "$CONTAINER" 2>"$SCRATCH/mount"); then
        if grep -q 'max depth exceeded' "$SCRATCH/mount"; then
            fail_too_many_layers "$(buildah inspect --type image --format '{{len .OCIv1.RootFS.DiffIDs}}' "$PARENT")"
        fi
        cat "$SCRATCH/mount"
        return 1
    fi
    check_layers
    # The overlay driver keeps the changes of this step in a separate directory next to the merged root.
    UPPER=$ROOT SINCE=0
    if [[ $DRIVER == overlay && -d ${ROOT%/merged}/diff ]]; then
        UPPER=${ROOT%/merged}/diff
    else
        # Other drivers: find changes by time. File timestamps are coarser than this clock.
        read_clock
        SINCE=$NOW
        list_names "$SCRATCH/names"
        keep_databases
        sleep 0.02
    fi
}

# has_triggers ID: does this image have ONBUILD triggers?
has_triggers() {
    [[ $1 != scratch ]] || return
    find_stored "$1" '=c2hhMjU2O*' --config
    grep -q '"OnBuild":\["' "$KEPT"
}

# refuse_triggers NAME ID: fail if the image has ONBUILD triggers: `buildah from` would run them with the host's network and
# outside bwrap.
refuse_triggers() {
    ! has_triggers "$2" || {
        printf 'error: the image %s has ONBUILD triggers, which a recipe does not run\n' "$1"
        printf '  hint: a Containerfile that begins with FROM %s runs them, without network\n' "$1"
        return 1
    }
    [[ $2 == scratch ]] || refuse_other_platform "$1"
}

# The overlay drivers of most engines mount at most this number of layers: an image with more can be built, but not run.
MOST_LAYERS=128
# Above this number a run prints a note: images that others build on this one may have too many.
MANY_LAYERS=120

# refuse_other_platform NAME: fail if the parent, whose configuration is the file KEPT, is of another architecture: the packages of this
# step would not run there. Within a JSON string quotes are escaped.
refuse_other_platform() {
    [[ $(<"$KEPT") =~ \"architecture\":\"([^\"]*)\" && ${BASH_REMATCH[1]} != "${PLATFORM#*/}" ]] || return 0
    printf 'error: the image %s in the store is of linux/%s, and this plan builds for %s\n' "$1" "${BASH_REMATCH[1]}" "$PLATFORM"
    printf '  hint: remove it, and build or pull it for %s\n' "$PLATFORM"
    return 1
}

# check_layers: fail if the image would have too many layers; print a note if it would have many. The driver's file `lower` lists the layers below; reading it starts
# no process.
check_layers() {
    local text below=()
    [[ ! -s ${ROOT%/merged}/lower ]] || IFS=: read -ra below <"${ROOT%/merged}/lower" || :
    ((${#below[@]} < MOST_LAYERS)) || fail_too_many_layers "${#below[@]}"
    ((${#below[@]} >= MANY_LAYERS)) || return 0
    text="$IMAGE: note: the image has $((${#below[@]} + 1)) layers, and at most $MOST_LAYERS are possible"
    printf '%s\n' "$text"
    printf '%s\n' "$text" >&4
}

# fail_too_many_layers COUNT: COUNT is the number of layers of the parent.
fail_too_many_layers() {
    printf 'error: %s: the image would have %d layers, but at most %d are possible: %s has %d\n' \
        "$RECIPE" "$(($1 + 1))" "$MOST_LAYERS" "${BASE:-$FROM}" "$1"
    printf '  hint: merge some of the images below it, or use a base image with fewer layers\n'
    return 1
}

# remove_overlay_marks: remove the attributes in which an ordinary user's overlay marks files of lower layers. Older tools put them
# into the layer, which then differs from the layer that root builds.
remove_overlay_marks() {
    local mark
    [[ $UPPER != "$ROOT" && -n ${_CONTAINERS_ROOTLESS_UID-} ]] || return 0
    for mark in origin impure; do
        # setfattr fails for files without the attribute, which most are.
        find -P "$UPPER" \( -type f -o -type d \) -exec setfattr -h -x "user.overlay.$mark" -- {} + 2>/dev/null || :
    done
}

# end_container: remove the working containers and the scratch folder. CONTAINER is empty if no container exists.
end_container() {
    close_sources
    if [[ -n ${CONTAINER-} ]]; then
        # Keep the marker for the next run if the container still exists.
        command buildah "${STORE[@]}" rm "$CONTAINER" >/dev/null 2>&1 ||
            ! command buildah "${STORE[@]}" inspect --type container "$CONTAINER" >/dev/null 2>&1 || return 0
    fi
    [[ -z ${SCRATCH-} ]] || rm -rf "$SCRATCH" "$STATE/working.$IMAGE"
}

# read_plan_id: set PLAN_ID, which distinguishes the working containers of two plans in one store.
read_plan_id() {
    [[ -s $STATE/id ]] || (set -C && od -An -N4 -tx4 /dev/urandom | tr -d ' ' >"$STATE/id") 2>/dev/null || :
    read -r PLAN_ID _ <"$STATE/id"
}
