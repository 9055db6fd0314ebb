# The only code that decides whether an image is stale.
#
# keys/NAME has the static part of the build key, an input a line; the compiler writes it. The dynamic part consists of the ids of all
# images that the step reads, the storage driver, the platform, the way buildah packs layers, and the format of the package database if
# the host's rpm writes it. KEY is the hash of both. An image is fresh if the store has the name of its key,
# localhost/buildsys-key/SET/NAME:KEY. The key is a name and not a label, because a new label of a parent would rebuild all children.

declare -A READ_IDS=()

# decide: set KEY, PARENT (an id, or scratch), DECISION (fresh | renamed | stale), REASON (a sentence), and ID if the image exists.
# Changes nothing. `renamed`: the store has the image under its key, but its reference is missing or names another image.
decide() {
    local read_id name metadata damage note=''
    PARENT=scratch
    INPUTS=$(<"$PLAN/keys/$IMAGE")
    STAMP=$(awk -v name="$IMAGE" '$2 == name { print $1; exit }' "$PLAN/graph")
    INPUTS+=$'
'"platform $PLATFORM"$'
'"driver $DRIVER"
    # Older versions of buildah put attributes of an ordinary user's overlay into the layers of a Containerfile.
    [[ -z ${CONTAINERFILE-} || $DRIVER != overlay || -z ${_CONTAINERS_ROOTLESS_UID-} ]] || INPUTS+=' of an ordinary user'
    INPUTS+=$'
'"layers $LAYERS"
    if [[ $INPUTS == *$'\ninstaller '@(rpm|dnf)$'\n'* ]]; then
        [[ -n ${BS_DATABASE-} ]] || find_database_format
        INPUTS+=$'\n'"database $BS_DATABASE"
    fi
    # Inputs only if the caller overrides the plan.
    [[ $BS_FORMAT == "$FORMAT" ]] || INPUTS+=$'\n'"format $BS_FORMAT"
    [[ $BS_EPOCH == "$EPOCH" ]] || INPUTS+=$'\n'"epoch $BS_EPOCH"
    # The state of external repositories at the start of the run.
    metadata=${BS_REPOSITORIES:-$STATE/repositories}
    if [[ $INPUTS == *$'\nrepository '* && -s $metadata ]]; then INPUTS+=$'\n'$(<"$metadata"); fi
    for name in "${READS[@]}"; do
        read_id=$(find_source_id "$name")
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
    ID=$(find_image_id "$KEY_NAME")
    damage=$(find_damage "$KEY_NAME")
    if [[ -n $damage ]]; then
        ID='' REASON="damaged in the store: $damage"
        WHOLE_REASON=$REASON
        return
    elif [[ -z $ID ]]; then
        if find_same_content; then
            DECISION=renamed REASON='the files that it copies from other images did not change'
            return
        fi
        REASON=$(explain_staleness)
        # The second line has all reasons, the first one the most important.
        WHOLE_REASON=${REASON#*$'\n'}
        [[ ${BS_ALL-} == 1 ]] && REASON=$WHOLE_REASON || REASON=${REASON%%$'\n'*}
        return
    fi
    [[ -z ${UNLOCKED-} ]] || note=' (unlocked: built with the network contents of that time)'
    DECISION=fresh REASON="nothing changed$note"
    name=$(find_image_id "$REFERENCE")
    [[ $name != "$ID" ]] || return 0
    DECISION=renamed
    if [[ -s $STATE/$IMAGE.inputs && $INPUTS != "$(<"$STATE/$IMAGE.inputs")" ]]; then
        REASON='built from these inputs before; its name moves back to that image'
    elif [[ -z $name ]]; then
        REASON='its name is missing; the store has the image under its key'
    else
        REASON='its name is used by another image; the store has the image under its key'
    fi
}

# find_source_id NAME: print the id of an image that this step reads: an image of the set, or an external image by its reference.
find_source_id() {
    local name=$1 id=''
    if [[ $name == "${BASE-}" || " ${OUTSIDE[*]-} " == *" $name "* ]]; then
        id=$(find_base_id "$name") || return
    elif [[ $name == "$FROM" && -n ${BS_PARENT-} ]]; then
        id=$(BS_LISTING='' find_image_id "$BS_PARENT")
    elif [[ -n ${BS_IDS-} ]]; then
        id=$(awk -v name="$name" '$1 == name { print $2 }' "$BS_IDS")
    elif [[ -s $STATE/$name.id ]]; then
        read -r id <"$STATE/$name.id" || :
        [[ $id =~ ^[0-9a-f]{64}$ ]] || id=''
    fi
    [[ -n $id ]] || id=$(find_image_id "$PREFIX$name:$TAG")
    if [[ -z $id ]]; then
        printf '%s: %s is not built; build it first\n' "$IMAGE" "$name" >&2
        return 1
    fi
    printf '%s' "$id"
}

# find_base_id REFERENCE: print the id of an external image that this one is built from; pull it if the store lacks it.
find_base_id() {
    local id
    id=$(find_image_id "$1")
    # A listing has no digests and no short names.
    [[ -n $id ]] || id=$(BS_LISTING='' find_image_id "$1")
    if [[ -z $id ]]; then
        [[ ${BS_WHY-} != 1 ]] || return
        log_event doing "$IMAGE" what pull
        retry buildah pull --quiet ${FOREIGN:+--arch "${PLATFORM#*/}"} "$1" >"$PLAN/logs/$IMAGE.log" 2>&1 || {
            cat "$PLAN/logs/$IMAGE.log" >&2
            is_infrastructure_failure "$PLAN/logs/$IMAGE.log" && return 75
            return 1
        }
        id=$(BS_LISTING='' find_image_id "$1")
    fi
    printf '%s' "$id"
}

# write_records ID: write the records of the image, and the stamp that make sees. NAME.id is written only if the id changes, so that
# make does not run the children of an image that was rebuilt with equal content.
write_records() {
    local new=$SCRATCH/stamps/$IMAGE known='' files sum
    files=("$new.spots" "$new.inputs")
    printf '%s\n' "$INPUTS" >"$new.inputs"
    print_spots >"$new.spots"
    # The order of the keys, for lib/prune.sh, which keeps the newest.
    printf '%s\n' "$KEY" >>"$STATE/$IMAGE.keys"
    [[ ! -s $STATE/$IMAGE.id ]] || read -r known <"$STATE/$IMAGE.id" || :
    if [[ $known != "$1" ]]; then
        # The test of the whole set used another image.
        [[ ! -e $PLAN/promoted.json ]] || rm -f "$PLAN/promoted.json"
        printf '%s\n' "$1" >"$new.id"
        files+=("$new.id")
    fi
    if [[ -s $SCRATCH/given ]]; then
        record_given "$1" "$new.given"
        files+=("$new.given")
    fi
    if [[ -s $SCRATCH/exchanged ]]; then
        mv "$SCRATCH/exchanged" "$new.exchanged"
        files+=("$new.exchanged")
    fi
    record_content
    sum=$(sha256sum <"$new.spots")
    {
        printf '%s %s %s %s %s %s\n' "$1" "$REFERENCE" "$BS_FORMAT" "$BS_EPOCH" "$KEY" "${sum%% *}"
        sed -n '/^image /p; /^layers /p; /^metadata /p; /^database /p' <<<"$INPUTS"
        # lib/judge.sh ignores a stamp without this line.
        printf 'whole\n'
    } >"$new.$STAMP.checked"
    # Without sync, a crash of the machine may keep the new names and lose the contents.
    sync -- "${files[@]}" "$new.$STAMP.checked"
    # Move the stamp last: if it exists, the other records exist.
    mv -f -t "$STATE" -- "${files[@]}" "$new.$STAMP.checked"
}
