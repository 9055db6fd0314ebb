# Removals in a layer of the driver vfs. A removed path is an empty file `.wh.NAME` in the layer. Buildah before 1.41
# writes the hour of the commit into it, so two builds of one step give two ids: here it gets the time of the set.

# list_names FILE: what the container holds now, sorted. Only where the driver keeps no record of what a step removed, and
# buildah does not date removals by itself.
list_names() {
    [[ $UPPER == "$ROOT" && $COMMITS == twice ]] || return 0
    find -P "$ROOT" -mindepth 1 -printf '%P\0' | LC_ALL=C sort -z >"$1"
}

# something_removed: whether the container lacks what it began with.
something_removed() {
    [[ -s $SCRATCH/names ]] || return 1
    list_names "$SCRATCH/names.now"
    LC_ALL=C comm -z -23 "$SCRATCH/names" "$SCRATCH/names.now" >"$SCRATCH/names.gone"
    [[ -s $SCRATCH/names.gone ]]
}

# date_removals IMAGE-ID DIRECTORY: leaves the image's last layer in the directory, removals dated. Sets LAYER_WAS and
# LAYER_IS, its digests before and after, without `sha256:`.
date_removals() {
    local manifest place block name
    command skopeo --insecure-policy copy --quiet "$(in_store "@$1")" "dir:$2.whole"
    manifest=$(<"$2.whole/manifest.json")
    [[ $manifest =~ .*\"digest\":\"sha256:([0-9a-f]{64})\" ]]
    LAYER_WAS=${BASH_REMATCH[1]}
    place=$2/layer
    mv "$2.whole/$LAYER_WAS" "$place"
    rm -rf "$2.whole"
    # Names are quoted, so that a line is one name.
    tar --list --block-number --quoting-style=escape --file "$place" | sed -n 's/^block \([0-9]*\): \(.*\)$/\1 \2/p' >"$SCRATCH/blocks"
    while read -r block name; do
        [[ ${name##*/} != .wh.* ]] || date_header "$place" $((block * 512))
    done <"$SCRATCH/blocks"
    LAYER_IS=$(sha256sum <"$place")
    LAYER_IS=${LAYER_IS%% *}
    mv "$place" "$2/$LAYER_IS"
}

# date_header TAR OFFSET: writes BS_EPOCH into the header there. Of its 512 bytes 136 to 147 are the time in octal and a
# NUL, 148 to 155 the sum of all bytes in octal, a NUL and a space (POSIX.1-1988, ustar).
date_header() {
    local bytes time sum=0 number
    read -r -a bytes < <(od -An -v -tu1 -w20 -j $(($2 + 136)) -N 20 "$1")
    for number in "${bytes[@]:12:6}"; do sum=$((sum * 8 + number - 48)); done
    for number in "${bytes[@]::12}"; do sum=$((sum - number)); done
    printf -v time '%011o' "$BS_EPOCH"
    for ((number = 0; number < 11; number++)); do sum=$((sum + 48 + ${time:number:1})); done
    printf '%s\0%06o\0 ' "$time" "$sum" | dd of="$1" bs=20 seek=$(($2 + 136)) oflag=seek_bytes conv=notrunc status=none
}
