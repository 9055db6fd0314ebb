# What decides that an image is stale: this file and nothing else.
#
# keys/NAME holds the static part of the build key, one input a line, written by the compiler.
# The dynamic part is the ids of all images the step reads, the storage driver, the platform, how buildah packs layers,
# and the format of the package database where the host's rpm writes it.
# KEY is the hash of both. An image is fresh when the store knows it by its key; the key is a second
# name, localhost/buildsys-key/SET/NAME:KEY, never inside the image: a label on a parent would rebuild
# every child.

declare -A READ_IDS=()

# decide: sets KEY, PARENT (an id, or scratch), DECISION (fresh | renamed | stale), REASON in words, and ID when there is
# one. Changes nothing.
# `renamed`: the image is there under its key, only its reference names another or none.
decide() {
    local read_id name held note=''
    PARENT=scratch
    INPUTS=$(<"$PLAN/keys/$IMAGE")
    STAMP=$(awk -v name="$IMAGE" '$2 == name { print $1; exit }' "$PLAN/graph")
    INPUTS+=$'
'"platform $PLATFORM"$'
'"driver $DRIVER"
    # Older builders take notes of an ordinary user's overlays into the layers of a Containerfile: those are not root's.
    [[ -z ${CONTAINERFILE-} || $DRIVER != overlay || -z ${_CONTAINERS_ROOTLESS_UID-} ]] || INPUTS+=' of an ordinary user'
    INPUTS+=$'
'"layers $LAYERS"
    if [[ $INPUTS == *$'\ninstaller '@(rpm|dnf)$'\n'* ]]; then
        [[ -n ${BS_DATABASE-} ]] || database_format
        INPUTS+=$'\n'"database $BS_DATABASE"
    fi
    # Where the caller chooses another than the plan's.
    [[ $BS_FORMAT == "$FORMAT" ]] || INPUTS+=$'\n'"format $BS_FORMAT"
    [[ $BS_EPOCH == "$EPOCH" ]] || INPUTS+=$'\n'"epoch $BS_EPOCH"
    # What repositories elsewhere held when the run began.
    held=${BS_REPOSITORIES:-$STATE/repositories}
    if [[ $INPUTS == *$'\nrepository '* && -s $held ]]; then INPUTS+=$'\n'$(<"$held"); fi
    for name in "${READS[@]}"; do
        read_id=$(read_image_id "$name")
        READ_IDS[$name]=$read_id
        INPUTS+=$'\n'"image $name $read_id"
        [[ $name != "${BASE:-$FROM}" ]] || PARENT=$read_id
    done
    KEY=$(printf '%s\n' "$INPUTS" | sha256sum)
    KEY=${KEY%% *}
    KEY_NAME=localhost/buildsys-key/$SET/$IMAGE:$KEY
    DECISION=stale ID=''
    if [[ $BS_FORCE == 1 ]]; then
        REASON=forced
        return
    fi
    ID=$(image_id "$KEY_NAME")
    if [[ -z $ID ]]; then
        if same_content; then
            DECISION=renamed REASON='what it copies from other images is the same as before'
            return
        fi
        REASON=$(why_stale)
        # All of it, and what a line has room for.
        WHOLE_REASON=${REASON#*$'\n'}
        [[ ${BS_ALL-} == 1 ]] && REASON=$WHOLE_REASON || REASON=${REASON%%$'\n'*}
        return
    fi
    [[ -z ${UNLOCKED-} ]] || note=' (unlocked: built with the network, whatever it held then)'
    DECISION=fresh REASON="nothing changed$note"
    name=$(image_id "$REFERENCE")
    [[ $name != "$ID" ]] || return 0
    DECISION=renamed
    if [[ -s $STATE/$IMAGE.inputs && $INPUTS != "$(<"$STATE/$IMAGE.inputs")" ]]; then
        REASON='built from these inputs before; its name returns to that image'
    elif [[ -z $name ]]; then
        REASON='it has no such name; the image itself is in the store, under its key'
    else
        REASON='its name moved elsewhere; the image itself is in the store, under its key'
    fi
}

# read_image_id NAME: id of an image this step reads; of the set, or a base image by its reference.
read_image_id() {
    local name=$1 id=''
    if [[ $name == "${BASE-}" || " ${OUTSIDE[*]-} " == *" $name "* ]]; then
        id=$(base_image_id "$name") || return
    elif [[ $name == "$FROM" && -n ${BS_PARENT-} ]]; then
        id=$(BS_LISTING='' image_id "$BS_PARENT")
    elif [[ -n ${BS_IDS-} ]]; then
        id=$(awk -v name="$name" '$1 == name { print $2 }' "$BS_IDS")
    elif [[ -s $STATE/$name.id ]]; then
        read -r id <"$STATE/$name.id" || :
        [[ $id =~ ^[0-9a-f]{64}$ ]] || id=''
    fi
    [[ -n $id ]] || id=$(image_id "$PREFIX$name:$TAG")
    if [[ -z $id ]]; then
        printf '%s: %s is not built; build it first\n' "$IMAGE" "$name" >&2
        return 1
    fi
    printf '%s' "$id"
}

# base_image_id REFERENCE: id of an image built elsewhere that this one is made from; pulled when the store lacks it.
base_image_id() {
    local id
    id=$(image_id "$1")
    # A listing holds no digests, and no names that are short for others.
    [[ -n $id ]] || id=$(BS_LISTING='' image_id "$1")
    if [[ -z $id ]]; then
        [[ ${BS_WHY-} != 1 ]] || return
        retry buildah pull --quiet "$1" >"$PLAN/logs/$IMAGE.log" 2>&1 || {
            cat "$PLAN/logs/$IMAGE.log" >&2
            infrastructure "$PLAN/logs/$IMAGE.log" && return 75
            return 1
        }
        id=$(BS_LISTING='' image_id "$1")
    fi
    printf '%s' "$id"
}

# remember ID: the stamps make sees. NAME.id moves only when the id moves, so children of an
# image rebuilt to equal content are left alone.
remember() {
    local new=$SCRATCH/stamps/$IMAGE known='' files sum
    files=("$new.spots" "$new.inputs")
    printf '%s\n' "$INPUTS" >"$new.inputs"
    spots >"$new.spots"
    # In which order keys were current: for lib/prune.sh, which leaves the newest.
    printf '%s\n' "$KEY" >>"$STATE/$IMAGE.keys"
    [[ ! -s $STATE/$IMAGE.id ]] || read -r known <"$STATE/$IMAGE.id" || :
    if [[ $known != "$1" ]]; then
        # A set that was tried whole was tried with other images.
        [[ ! -e $PLAN/promoted.json ]] || rm -f "$PLAN/promoted.json"
        printf '%s\n' "$1" >"$new.id"
        files+=("$new.id")
    fi
    if [[ -s $SCRATCH/given ]]; then
        remember_given "$1" "$new.given"
        files+=("$new.given")
    fi
    remember_content
    sum=$(sha256sum <"$new.spots")
    {
        printf '%s %s %s %s %s %s\n' "$1" "$REFERENCE" "$BS_FORMAT" "$BS_EPOCH" "$KEY" "${sum%% *}"
        sed -n '/^image /p; /^layers /p; /^metadata /p; /^database /p' <<<"$INPUTS"
        # lib/judge.sh believes none without it.
        printf 'whole\n'
    } >"$new.$STAMP.checked"
    # Names reach the disk before what the files hold, unless that is asked for.
    sync -- "${files[@]}" "$new.$STAMP.checked"
    # The last one last: who finds it finds the others.
    mv -f -t "$STATE" -- "${files[@]}" "$new.$STAMP.checked"
}
