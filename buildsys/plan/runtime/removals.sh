# Removals in a layer of the driver vfs. A removed path is an empty file `.wh.NAME` in the layer. buildah before 1.41 gives it the time of
# the commit, so two builds of one step would give two ids. This code replaces that time by the epoch.

# list_names FILE: write the sorted paths of the container, if the driver keeps no record of removals and buildah does not set their
# time.
list_names() {
    [[ $UPPER == "$ROOT" && $COMMITS == twice ]] || return 0
    find -P "$ROOT" -mindepth 1 -printf '%P\0' | LC_ALL=C sort -z >"$1"
}

# has_removals: did the step remove a path? Writes SCRATCH/names.gone.
has_removals() {
    [[ -s $SCRATCH/names ]] || return 1
    list_names "$SCRATCH/names.now"
    LC_ALL=C comm -z -23 "$SCRATCH/names" "$SCRATCH/names.now" >"$SCRATCH/names.gone"
    [[ -s $SCRATCH/names.gone ]]
}

# date_removals IMAGE-ID DIRECTORY: write the image's last layer to the directory, with the epoch as the time of removals. Sets LAYER_WAS
# and LAYER_IS, its digests before and after, without `sha256:`.
date_removals() {
    local manifest place block name
    command skopeo --insecure-policy copy --quiet "$(name_store_image "@$1")" "dir:$2.whole"
    manifest=$(<"$2.whole/manifest.json")
    [[ $manifest =~ .*\"digest\":\"sha256:([0-9a-f]{64})\" ]]
    LAYER_WAS=${BASH_REMATCH[1]}
    place=$2/layer
    mv "$2.whole/$LAYER_WAS" "$place"
    rm -rf "$2.whole"
    # Quoted names contain no newline.
    tar --list --block-number --quoting-style=escape --file "$place" | sed -n 's/^block \([0-9]*\): \(.*\)$/\1 \2/p' >"$SCRATCH/blocks"
    while read -r block name; do
        [[ ${name##*/} != .wh.* ]] || date_header "$place" $((block * 512))
    done <"$SCRATCH/blocks"
    LAYER_IS=$(sha256sum <"$place")
    LAYER_IS=${LAYER_IS%% *}
    mv "$place" "$2/$LAYER_IS"
}

# date_header TAR OFFSET: write BS_EPOCH into the tar header at this offset. Of its 512 bytes, 136 to 147 are the time in octal and a NUL,
# 148 to 155 the sum of all bytes in octal, a NUL and a space (POSIX.1-1988, ustar).
date_header() {
    local bytes time sum=0 number
    read -r -a bytes < <(od -An -v -tu1 -w20 -j $(($2 + 136)) -N 20 "$1")
    for number in "${bytes[@]:12:6}"; do sum=$((sum * 8 + number - 48)); done
    for number in "${bytes[@]::12}"; do sum=$((sum - number)); done
    printf -v time '%011o' "$BS_EPOCH"
    for ((number = 0; number < 11; number++)); do sum=$((sum + 48 + ${time:number:1})); done
    printf '%s\0%06o\0 ' "$time" "$sum" | dd of="$1" bs=20 seek=$(($2 + 136)) oflag=seek_bytes conv=notrunc status=none
}
