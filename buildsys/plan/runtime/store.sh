# The container store: which one, and how the tools are told about it.

# store_open: sets STORE (buildah's options), DRIVER, GRAPHROOT, RUNROOT, PLATFORM; lib/run.sh asks once for all steps.
store_open() {
    read -ra STORE <<<"$BS_STORE"
    if [[ -z ${BS_STORE_IS-} ]]; then
        BS_STORE_IS=$(command buildah "${STORE[@]}" info --format \
            '{{.store.GraphDriverName}} {{.store.GraphRoot}} {{.store.RunRoot}} {{.host.os}}/{{.host.arch}}')
        export BS_STORE_IS
    fi
    read -r DRIVER GRAPHROOT RUNROOT PLATFORM <<<"$BS_STORE_IS"
}

# For what only reads and writes records: more threads would only wait for each other.
buildah() { GOMAXPROCS=1 command buildah "${STORE[@]}" "$@"; }

# in_store NAME: the way skopeo names an image of this store.
in_store() { printf 'containers-storage:[%s@%s+%s]%s' "$DRIVER" "$GRAPHROOT" "$RUNROOT" "$1"; }

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
    buildah images --no-trunc --format '{{.ID}} {{.Name}}:{{.Tag}}' | sed 's/^sha256://; s/ \+/ /'
}
