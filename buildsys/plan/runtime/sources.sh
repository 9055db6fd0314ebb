# Sources of copies outside the step's own root: other images, and the payload of packages.

SOURCES=() BORROWED=()

# from_image NAME: mount another image of the set, read-only, for the verb `other`.
from_image() {
    local borrowed id
    id=$(find_source_id "$1")
    refuse_triggers "$1" "$id"
    # Names of images contain no capitals and no `+`, so these names are unique.
    read_plan_id
    borrowed=buildsys-$PLAN_ID-$IMAGE-READS-$1
    : >"$STATE/working.$IMAGE+$1"
    BORROWED+=("$1=$borrowed")
    buildah from --quiet --pull-never --name "$borrowed" "$id" >/dev/null
    SOURCES+=("image/$1=$(buildah mount "$borrowed")")
}

# from_payload PACKAGE [FILE CHECKSUM]: unpack the package's files, once a plan, for the verb `payload`. With a lock, FILE is its exact
# file.
from_payload() {
    local package=$1 file sum unpacked
    # The key may name the copied files instead of the package.
    local PAYLOAD=${2:+package $1 - - $2 $3}
    file=$("${INSTALLER}_fetch" "$@")
    sum=$(sha256sum <"$file")
    unpacked=$STATE/payload/$package.${sum::16}
    exec 7>>"$STATE/payload.lock"
    flock 7
    if [[ ! -d $unpacked ]]; then
        mkdir -p "$STATE/payload"
        rm -rf "$unpacked.part"
        mkdir "$unpacked.part"
        if [[ $file == *.deb ]]; then
            dpkg-deb --fsys-tarfile "$file" | tar -x -C "$unpacked.part" --no-same-owner
        else
            rpm2archive - <"$file" | tar -xz -C "$unpacked.part" --no-same-owner
        fi
        mv "$unpacked.part" "$unpacked"
    fi
    exec 7>&-
    SOURCES+=("payload/$package=$unpacked")
}

# close_sources: remove the working containers of other images.
close_sources() {
    local borrowed
    for borrowed in "${BORROWED[@]}"; do
        command buildah "${STORE[@]}" rm "${borrowed#*=}" >/dev/null 2>&1 || continue
        rm -f "$STATE/working.$IMAGE+${borrowed%%=*}"
    done
    BORROWED=()
}
