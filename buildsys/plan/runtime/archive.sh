#!/bin/bash
# archive.sh docker|oci FILE [IMAGE…]: write current images (default: all) to one archive. Layers that images share are in it once.
#   docker   an archive of `docker save` with all images, for `podman load -i FILE`; images keep their ids
#   oci      a tar of an OCI layout, for `skopeo copy oci-archive:FILE:REFERENCE …`; the docker format loses its health checks there
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/begin.sh"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
# shellcheck source=/dev/null
. "$LIB/store.sh"
: "${BS_STORE=}"

main() {
    local kind=${1-} chosen image id number=0
    [[ $kind == @(docker|oci) && -n ${2-} ]] || { printf 'usage: %s docker|oci FILE [IMAGE…]\n' "$0" >&2 && exit 2; }
    FILE=$(realpath -m -- "$2")
    mkdir -p "$STATE"
    open_store
    # A run may not change the plan or remove images meanwhile.
    exec {TURN}<>"$STATE/lock" {SHARED}>>"$RUNROOT/buildsys.lock"
    flock -s "$TURN"
    flock -s "$SHARED"
    WORK=$(mktemp -d "$STATE/scratch.archive.XXXXXX")
    trap 'rm -rf "$WORK" "$FILE.part"' EXIT
    trap 'exit 130' INT TERM HUP
    # skopeo packs layers in temporary files as large as they are.
    export TMPDIR=$WORK
    mkdir "$WORK/archive"
    bash "$LIB/current.sh" >"$WORK/current"
    chosen=$(choose_images "${@:3}")
    while read -r image id; do
        number=$((number + 1))
        "add_to_$kind" "$PREFIX$image:$TAG" "$id" "$number"
    done <<<"$chosen"
    [[ $kind != docker ]] || finish_docker
    # The same images give the same bytes, whoever packs them.
    tar --sort=name --format=ustar --mtime="@$EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
        -cf "$FILE.part" -C "$WORK/archive" .
    mv -f "$FILE.part" "$FILE"
    printf '%s: %d of %d images in %s\n' "$SET" "$number" "$(wc -l <"$PLAN/graph")" "$FILE" >&2
}

# choose_images [IMAGE…]: print name and id of each chosen image, in the order of the graph; exit 1 if one is not current.
choose_images() {
    local missing
    missing=$({ if (($#)); then printf '%s\n' "$@"; else cut -d ' ' -f 2 "$PLAN/graph"; fi; } |
        awk 'FILENAME != "-" { current[$1]; next } !($0 in current)' "$WORK/current" - | tr '\n' ' ')
    [[ -z $missing ]] || decline "not built from the current plan: ${missing% }" "build them first: make -C $PLAN" 1
    (($#)) || set -- all
    awk -v chosen=" $* " 'chosen == " all " || index(chosen, " " $1 " ")' "$WORK/current"
}

# add_to_oci REFERENCE ID NUMBER: add an image to the layout. skopeo writes no blob twice.
add_to_oci() { copy_image "$2" "$WORK/archive:$1"; }

# add_to_docker REFERENCE ID NUMBER: add configuration, layers and entry of an image. A layer is packed for the first image that has it:
# skopeo takes an empty file with the digest of the unpacked layer for that layer.
add_to_docker() {
    local layout=$WORK/layout.$3 blobs diffs packed i blob file names=()
    blobs=$layout/blobs/sha256
    mkdir -p "$blobs"
    command skopeo inspect --raw --config "$(name_store_image "@$2")" >"$WORK/archive/$2.json"
    [[ $(sha256sum <"$WORK/archive/$2.json") == "$2 "* ]] || decline "the store returned another configuration for $1" 'build it again' 1
    mapfile -t diffs < <(buildah inspect --type image --format '{{range .OCIv1.RootFS.DiffIDs}}{{.}}{{"\n"}}{{end}}' "$2")
    for i in "${diffs[@]}"; do
        file=$WORK/archive/${i#sha256:}.tar
        names+=("\"${file##*/}\"")
        [[ ! -e $file ]] || : >"$blobs/${i#sha256:}"
    done
    copy_image "$2" "$layout:image"
    read -ra packed < <(command skopeo inspect --format '{{range .Layers}}{{.}} {{end}}' "oci:$layout:image")
    ((${#packed[@]} == ${#diffs[@]})) || decline "the store returned other layers for $1" 'build it again' 1
    for i in "${!diffs[@]}"; do
        file=$WORK/archive/${diffs[i]#sha256:}.tar blob=$blobs/${packed[i]#sha256:}
        # Layers stay packed: each program that loads such archives accepts that.
        [[ -e $file ]] || mv "$blob" "$file"
    done
    rm -rf "$layout"
    # Names of images and digests need no quoting in JSON.
    local IFS=,
    printf '{"Config":"%s.json","RepoTags":["%s"],"Layers":[%s]}\n' "$2" "$1" "${names[*]}" >>"$WORK/entries"
}

finish_docker() { { printf '[' && paste -sd , "$WORK/entries" && printf ']\n'; } >"$WORK/archive/manifest.json"; }

# copy_image ID LAYOUT:NAME
copy_image() { skopeo --insecure-policy copy --quiet "$(name_store_image "@$1")" "oci:$2" >/dev/null; }

main "$@"
