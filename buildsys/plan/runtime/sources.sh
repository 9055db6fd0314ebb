# What a step copies from besides its own root: other images and the payload of packages.

SOURCES=() BORROWED=()

# from_image NAME: mount another image of the set, read-only, for the verb `other`.
from_image() {
    local borrowed id
    id=$(read_image_id "$1")
    refuse_triggers "$1" "$id"
    # Capitals and `+` are in no image's name: nothing of another image is called so.
    plan_id
    borrowed=buildsys-$PLAN_ID-$IMAGE-READS-$1
    : >"$STATE/working.$IMAGE+$1"
    BORROWED+=("$1=$borrowed")
    buildah from --quiet --pull-never --name "$borrowed" "$id" >/dev/null
    SOURCES+=("image/$1=$(buildah mount "$borrowed")")
}

# from_payload PACKAGE [FILE CHECKSUM]: the package's files, unpacked once a plan, for the verb `payload`.
# FILE is the exact one, under a lock.
from_payload() {
    local package=$1 file sum unpacked
    # The key may name what is taken out of the file, and not the file.
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

sources_close() {
    local borrowed
    for borrowed in "${BORROWED[@]}"; do
        command buildah "${STORE[@]}" rm "${borrowed#*=}" >/dev/null 2>&1 || continue
        rm -f "$STATE/working.$IMAGE+${borrowed%%=*}"
    done
    BORROWED=()
}
