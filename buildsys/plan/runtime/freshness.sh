# What decides that an image is stale: this file and nothing else.
#
# keys/NAME holds the static part of the build key, one input a line, written by the compiler.
# The dynamic part is the ids of all images the step reads, the storage driver and the platform.
# KEY is the hash of both. An image is fresh when the store knows it by its key; the key is a second
# name, localhost/buildsys-key/SET/NAME:KEY, never inside the image: a label on a parent would rebuild
# every child.

# decide: sets KEY, DECISION (fresh | renamed | stale), REASON in words, and ID when there is one. Changes nothing.
# `renamed`: the image is there under its key, only its reference names another or none.
decide() {
    local read_id name
    INPUTS=$(<"$PLAN/keys/$IMAGE")
    STAMP=$(sha256sum <"$PLAN/keys/$IMAGE")
    STAMP=${STAMP::16}
    INPUTS+=$'\n'"platform $PLATFORM"$'\n'"driver $DRIVER"
    # Where the caller chooses another than the plan's.
    [[ $BS_FORMAT == "$FORMAT" ]] || INPUTS+=$'\n'"format $BS_FORMAT"
    [[ $BS_EPOCH == "$EPOCH" ]] || INPUTS+=$'\n'"epoch $BS_EPOCH"
    for name in "${READS[@]}"; do
        read_id=$(read_image_id "$name")
        INPUTS+=$'\n'"image $name $read_id"
    done
    # What repositories elsewhere held when the run began.
    if [[ $INPUTS == *$'\nrepository '* && -s $STATE/repositories ]]; then INPUTS+=$'\n'$(<"$STATE/repositories"); fi
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
        REASON=$(why_stale)
        return
    fi
    DECISION=fresh REASON='nothing changed'
    if [[ $(image_id "$REFERENCE") != "$ID" ]]; then
        DECISION=renamed REASON='its name moved elsewhere; the image itself is in the store, under its key'
    fi
}

# read_image_id NAME: id of an image this step reads; of the set, or a base image by its reference.
read_image_id() {
    local name=$1 id=''
    if [[ $name == "${BASE-}" ]]; then
        id=$(base_image_id) || return
    elif [[ $name == "$FROM" && -n ${BS_PARENT-} ]]; then
        id=$(BS_LISTING='' image_id "$BS_PARENT")
    elif [[ -n ${BS_IDS-} ]]; then
        id=$(awk -v name="$name" '$1 == name { print $2 }' "$BS_IDS")
    elif [[ -s $STATE/$name.id ]]; then
        read -r id <"$STATE/$name.id"
    fi
    [[ -n $id ]] || id=$(image_id "$PREFIX$name:$TAG")
    if [[ -z $id ]]; then
        printf '%s: %s is not built; build it first\n' "$IMAGE" "$name" >&2
        return 1
    fi
    printf '%s' "$id"
}

# base_image_id: id of the image built elsewhere that this one starts from; pulled when the store lacks it.
base_image_id() {
    local id
    id=$(image_id "$BASE")
    # A listing holds no digests, and no names that are short for others.
    [[ -n $id ]] || id=$(BS_LISTING='' image_id "$BASE")
    if [[ -z $id ]]; then
        [[ ${BS_WHY-} != 1 ]] || return
        retry buildah pull --quiet "$BASE" >"$PLAN/logs/$IMAGE.log" 2>&1 || {
            cat "$PLAN/logs/$IMAGE.log" >&2
            infrastructure "$PLAN/logs/$IMAGE.log" && return 75
            return 1
        }
        id=$(BS_LISTING='' image_id "$BASE")
    fi
    printf '%s' "$id"
}

# why_stale: the inputs of now beside those of the last build, in words.
why_stale() {
    local last=$STATE/$IMAGE.inputs changed first
    if [[ ! -s $last ]]; then
        printf 'never built here'
        return
    fi
    changed=$(diff --changed-group-format='%<%>' --unchanged-group-format='' \
        "$last" <(printf '%s\n' "$INPUTS")) || :
    read -r first _ <<<"$changed"
    case $first in
        '') printf 'image missing from the store' ;;
        image)
            first=${changed#image }
            first=${first%% *}
            if [[ $first == "${BASE:-$FROM}" ]]; then
                printf 'parent changed: %s' "$first"
            else
                printf 'copied-from image changed: %s' "$first"
            fi ;;
        repository | metadata) printf 'repository changed (unlocked: any repository change rebuilds)' ;;
        runtime) printf 'buildsys runtime changed' ;;
        package) why_packages "$last" ;;
        gem) printf 'gem changed: %s' "$(cut -d' ' -f2 <<<"${changed%%$'\n'*}")" ;;
        platform | driver | format | epoch) printf '%s changed' "$first" ;;
        do) why_recipe "$changed" ;;
        *) printf 'recipe changed' ;;
    esac
}

# why_recipe CHANGED: a file of the set that is new under a path it had before, or the recipe itself.
why_recipe() {
    local old
    # do context MODE OWNER HASH TO
    local line spot
    old=$(sed -nE "s/^do context ([^ ]+ [^ ]+) [0-9a-f]{64} (.*)/\\1 \\2/p" <<<"$1" | sort | uniq -d | sed 1!d)
    if [[ -n $old ]]; then
        printf 'file changed: %s' "${old#* * }"
        return
    fi
    # The first command that is new has a place in the step, behind the Spot it came from.
    line=$(grep -Fxv -f "$STATE/$IMAGE.inputs" <<<"$INPUTS" | sed -n 's/^do //p' | sed 1q)
    spot=$(awk -v line="$line" '
        { sub(/^ +/, "") }
        $1 == "at" { spot = $2 }
        line != "" && index($0, line) == 1 { print spot; exit }' "$PLAN/steps/$IMAGE.sh")
    case $spot in
        '') printf 'recipe changed: %s' "$RECIPE" ;;
        */traits/*) printf 'trait changed: %s' "$spot" ;;
        *) printf 'recipe changed: %s' "$spot" ;;
    esac
}

# why_packages LAST: the first package of the lock that differs, old -> new.
why_packages() {
    awk '
        $1 != "package" { next }
        FNR == NR { old[$2] = $3; next }
        { new[$2] = 1 }
        !($2 in old) && !said { print "package " $2 " " $3 " added"; said = 1 }
        $2 in old && old[$2] != $3 && !said { print "package " $2 " " old[$2] " -> " $3; said = 1 }
        END { if (!said) for (name in old) if (!(name in new)) { print "package " name " " old[name] " removed"; exit } }
    ' "$1" <(printf '%s\n' "$INPUTS")
}

# remember ID: the stamps make sees. NAME.id moves only when the id moves, so children of an
# image rebuilt to equal content are left alone.
remember() {
    printf '%s\n' "$INPUTS" >"$STATE/$IMAGE.inputs.$$"
    mv -f "$STATE/$IMAGE.inputs.$$" "$STATE/$IMAGE.inputs"
    # In which order keys were current: for lib/prune.sh, which leaves the newest.
    printf '%s\n' "$KEY" >>"$STATE/$IMAGE.keys"
    if [[ ! -e $STATE/$IMAGE.id || $(<"$STATE/$IMAGE.id") != "$1" ]]; then
        printf '%s\n' "$1" >"$STATE/$IMAGE.id.$$"
        mv -f "$STATE/$IMAGE.id.$$" "$STATE/$IMAGE.id"
    fi
    {
        printf '%s %s %s %s\n' "$1" "$REFERENCE" "$BS_FORMAT" "$BS_EPOCH"
        sed -n '/^image /p; /^metadata /p' <<<"$INPUTS"
    } >"$STATE/$IMAGE.checked.$$"
    mv -f "$STATE/$IMAGE.checked.$$" "$STATE/$IMAGE.$STAMP.checked"
}
