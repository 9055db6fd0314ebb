# The container store: its location, and the options that name it for buildah and skopeo.

# split_words TEXT: set WORDS, split like shell words, with quotes and backslashes but without expansion. Fail for unbalanced quotes.
split_words() {
    local rest=$1 word='' begun=''
    WORDS=()
    while [[ -n $rest ]]; do
        if [[ $rest =~ ^[[:space:]]+ ]]; then
            [[ -z $begun ]] || WORDS+=("$word")
            word='' begun=''
        elif [[ $rest =~ ^\'([^\']*)\' || $rest =~ ^([^[:space:]\'\"\\]+) || $rest =~ ^\\(.) ]]; then
            word+=${BASH_REMATCH[1]} begun=yes
        elif [[ $rest =~ ^\"(([^\"\\]|\\.)*)\" ]]; then
            word+=$(sed -E 's/\\(["\\])/\1/g' <<<"${BASH_REMATCH[1]}") begun=yes
        else
            return 1
        fi
        rest=${rest:${#BASH_REMATCH[0]}}
    done
    [[ -z $begun ]] || WORDS+=("$word")
}

# open_store: set STORE (options of buildah), DRIVER, GRAPHROOT, RUNROOT, STORE_OPTIONS (options of the driver) and
# PLATFORM: the plan's, or the host's if the plan names none. FOREIGN is empty unless they differ.
# lib/run.sh asks buildah once for all steps.
open_store() {
    local answer
    split_words "$BS_STORE" || decline 'BS_STORE has unbalanced quotes, or ends with a backslash' "BS_STORE=$BS_STORE"
    STORE=("${WORDS[@]}")
    if [[ -z ${BS_STORE_IS-} ]]; then
        check_places
        BS_STORE_IS=$(command buildah "${STORE[@]}" info --format '{{.store.GraphDriverName}}{{"\n"}}{{.host.os}}/{{.host.arch}}
{{.store.GraphRoot}}{{"\n"}}{{.store.RunRoot}}{{range .store.GraphOptions}}{{"\n"}}{{.}}{{end}}') ||
            decline 'the container store cannot be opened' "see the message of buildah above$(name_other_driver)" 1
        export BS_STORE_IS
    fi
    mapfile -t answer <<<"$BS_STORE_IS"
    DRIVER=${answer[0]} PLATFORM=${answer[1]} GRAPHROOT=${answer[2]} RUNROOT=${answer[3]} STORE_OPTIONS=("${answer[@]:4}")
    find_target
    check_place "$GRAPHROOT"
    check_place "$RUNROOT"
}

# find_target: PLATFORM becomes that of the plan: the last line of plan.env, if it is for one. A variable of the caller means nothing here.
find_target() {
    local lines
    FOREIGN=''
    mapfile -t lines <"$PLAN/plan.env"
    [[ ${lines[-1]-} =~ ^TARGET=(.+)$ && ${BASH_REMATCH[1]} != "$PLATFORM" ]] || return 0
    FOREIGN=yes PLATFORM=${BASH_REMATCH[1]}
}

# name_other_driver: print what helps where overlays cannot be mounted: on another overlay, or where there is no /dev/fuse.
name_other_driver() {
    [[ " ${STORE[*]} " == *vfs* ]] || printf '; --storage-driver vfs works where overlays do not, and is slower'
}

# check_places: check the directories that STORE names.
check_places() {
    local i
    for ((i = 0; i < ${#STORE[@]}; i++)); do
        case ${STORE[i]} in
            --root | --runroot) check_place "${STORE[i + 1]-}" ;;
            --root=* | --runroot=*) check_place "${STORE[i]#*=}" ;;
        esac
    done
}

# check_place DIR: refuse characters that skopeo and mount interpret as separators in names of stores and mount options.
check_place() {
    [[ $1 == *[]:,+\\$'\n']* ]] || return 0
    decline "a container store cannot lie in $1" \
        'its path must not contain : , + ] \ or a newline; BS_STORE="--root DIR --runroot DIR" chooses another'
}

# decline SENTENCE HINT [STATUS]: print an error and exit.
decline() {
    printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
    exit "${3:-2}"
}

# For calls that only read and write records; more threads would wait for each other.
buildah() { GOMAXPROCS=1 command buildah "${STORE[@]}" "$@"; }

# skopeo ignores TMPDIR and writes temporary files to /var/tmp.
skopeo() { command skopeo ${TMPDIR:+--tmpdir "$TMPDIR"} "$@"; }

# name_store_image NAME: print the name by which skopeo finds an image of this store. It contains the driver's options without commas,
# among them additional image stores and the mount program.
name_store_image() {
    local option options=''
    for option in "${STORE_OPTIONS[@]}"; do [[ $option == *,* ]] || options+=,$option; done
    printf 'containers-storage:[%s@%s+%s%s]%s' "$DRIVER" "$GRAPHROOT" "$RUNROOT" "${options/#,/:}" "$1"
}

# find_image_id NAME: print the id of a named image of the store, or nothing. lib/run.sh lists the store once for all steps; during a
# run only its steps add names, and state/ has these.
find_image_id() {
    if [[ -n ${BS_LISTING-} ]]; then
        awk -v name="$1" '$2 == name { print $1; exit }' "$BS_LISTING"
    else
        buildah inspect --type image --format '{{.FromImageID}}' "$1" 2>/dev/null || :
    fi
}

# list_store: print each name of the store after its id, a line each.
list_store() {
    local listed
    listed=$(buildah images --no-trunc --format '{{.ID}} {{.Name}}:{{.Tag}}' 2>/dev/null) || {
        # buildah lists nothing if a single image lacks a layer, even an image of somebody else. The store's file still lists the others.
        [[ -s $GRAPHROOT/$DRIVER-images/images.json ]] || buildah images --quiet >/dev/null || return
        listed=$(split_records "$GRAPHROOT/$DRIVER-images/images.json" | sed -nE 's/^\{"id":"([0-9a-f]+)".*"names":\[([^]]*)\].*/\1 \2/p' |
            awk '{ count = split($2, name, ","); for (i = 1; i <= count; i++) { gsub(/"/, "", name[i]); print $1, name[i] } }')
    }
    sed 's/^sha256://; s/ \+/ /' <<<"$listed"
}

# split_records FILE: print the JSON records of a file of the store, a line each. A new store has no such file.
split_records() { [[ ! -e $1 ]] || sed -E 's/^\[//; s/\]$//; s/\},\{"id":"/}\n{"id":"/g' "$1"; }
