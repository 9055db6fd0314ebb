# The container store: which one, and how the tools are told about it.

# split TEXT: sets WORDS, as a shell would split it: quotes and backslashes keep a word together, nothing is expanded.
split() {
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

# store_open: sets STORE (buildah's options), DRIVER, GRAPHROOT, RUNROOT, STORE_OPTIONS (those of its driver), PLATFORM;
# lib/run.sh asks once for all steps.
store_open() {
    local said
    split "$BS_STORE" || decline 'BS_STORE: a quote or a backslash in it has no end' "BS_STORE=$BS_STORE"
    STORE=("${WORDS[@]}")
    if [[ -z ${BS_STORE_IS-} ]]; then
        check_places
        BS_STORE_IS=$(command buildah "${STORE[@]}" info --format '{{.store.GraphDriverName}}{{"\n"}}{{.host.os}}/{{.host.arch}}
{{.store.GraphRoot}}{{"\n"}}{{.store.RunRoot}}{{range .store.GraphOptions}}{{"\n"}}{{.}}{{end}}') ||
            decline 'the container store cannot be opened' 'what buildah says stands above' 1
        export BS_STORE_IS
    fi
    mapfile -t said <<<"$BS_STORE_IS"
    DRIVER=${said[0]} PLATFORM=${said[1]} GRAPHROOT=${said[2]} RUNROOT=${said[3]} STORE_OPTIONS=("${said[@]:4}")
    check_place "$GRAPHROOT"
    check_place "$RUNROOT"
}

# check_places: the directories that STORE names.
check_places() {
    local i
    for ((i = 0; i < ${#STORE[@]}; i++)); do
        case ${STORE[i]} in
            --root | --runroot) check_place "${STORE[i + 1]-}" ;;
            --root=* | --runroot=*) check_place "${STORE[i]#*=}" ;;
        esac
    done
}

# check_place DIR: tools of containers take these characters for parts of a store's name, or of a mount's options.
check_place() {
    [[ $1 == *[]:,+\\$'\n']* ]] || return 0
    decline "a container store cannot lie in $1" \
        'its path must hold no : , + ] \ or newline; BS_STORE="--root DIR --runroot DIR" chooses another'
}

# decline SENTENCE HINT [STATUS]
decline() {
    printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
    exit "${3:-2}"
}

# For what only reads and writes records: more threads would only wait for each other.
buildah() { GOMAXPROCS=1 command buildah "${STORE[@]}" "$@"; }

# Of itself it puts temporary files into /var/tmp, whatever TMPDIR says.
skopeo() { command skopeo ${TMPDIR:+--tmpdir "$TMPDIR"} "$@"; }

# in_store NAME: the way skopeo names an image of this store. Of the driver's options it takes those without commas; more
# stores to read from are among them, and the program that mounts.
in_store() {
    local option options=''
    for option in "${STORE_OPTIONS[@]}"; do [[ $option == *,* ]] || options+=,$option; done
    printf 'containers-storage:[%s@%s+%s%s]%s' "$DRIVER" "$GRAPHROOT" "$RUNROOT" "${options/#,/:}" "$1"
}

# image_id NAME: the id of a named image of the store, or nothing. lib/run.sh lists the store once for all
# steps; within a run only the steps themselves add names, and those are in state/.
image_id() {
    if [[ -n ${BS_LISTING-} ]]; then
        awk -v name="$1" '$2 == name { print $1; exit }' "$BS_LISTING"
    else
        buildah inspect --type image --format '{{.FromImageID}}' "$1" 2>/dev/null || :
    fi
}

# list_store: every name of the store with its id, a line each.
list_store() {
    local listed
    listed=$(buildah images --no-trunc --format '{{.ID}} {{.Name}}:{{.Tag}}' 2>/dev/null) || {
        # One image of anybody's that lacks a layer is enough for that.
        [[ -s $GRAPHROOT/$DRIVER-images/images.json ]] || buildah images --quiet >/dev/null || return
        listed=$(records "$GRAPHROOT/$DRIVER-images/images.json" | sed -nE 's/^\{"id":"([0-9a-f]+)".*"names":\[([^]]*)\].*/\1 \2/p' |
            awk '{ count = split($2, name, ","); for (i = 1; i <= count; i++) { gsub(/"/, "", name[i]); print $1, name[i] } }')
    }
    sed 's/^sha256://; s/ \+/ /' <<<"$listed"
}

# records FILE: of a store, a line each. A store that never had any has no such file.
records() { [[ ! -e $1 ]] || sed -E 's/^\[//; s/\]$//; s/\},\{"id":"/}\n{"id":"/g' "$1"; }
