# Files that images copy from each other, by content: while these files do not change, the copying image is not built again, even if the
# source image changed.
#
# The source image records the hashes of these files when it is built and its files are accessible: state/NAME.given has a line for each
# file, with the image's id, the hash and the path. state/NAME.contents of the copying image has a line for each key: a hash of the key's
# inputs, with these hashes instead of ids, and the key. Without a record, the id of the source image counts.

# hash_given_files: write the hashes of the files that others copy from this image (GIVES, paths), before the commit.
hash_given_files() {
    local path hash
    ((${#GIVES[@]})) || return 0
    for path in "${GIVES[@]}"; do
        # The step that copies a missing path fails.
        hash=$(hash_given "$path") || continue
        printf '%s %s\n' "$hash" "$path"
    done >"$SCRATCH/given"
}

# hash_given PATH: print a hash of everything that a copy keeps. These options leave only the modification time in the archive.
hash_given() {
    local hash
    open_kit kit.copying "${COPYING[@]}" && lend_scratch || return
    hash=$(enter kit -- "${KIT_LOADER[@]}" /dev/buildsys/kit/bin/tar --create --no-unquote --sort=name --numeric-owner \
        --format=posix --pax-option='exthdr.name=%d/x/%f,delete=atime,delete=ctime' \
        --xattrs --xattrs-include=security.capability --xattrs-include='user.*' -C / -- ".$1" </dev/null 2>/dev/null |
        sha256sum) || return
    # The hash of empty input: tar read nothing.
    [[ $hash != e3b0c44298fc1c149afbf4c8996fb924* ]] || return
    printf '%s' "${hash%% *}"
}

# record_given ID FILE: write the hashes of this image and of its predecessors to FILE.
record_given() {
    {
        [[ ! -s $STATE/$IMAGE.given ]] || grep -v "^$1 " "$STATE/$IMAGE.given" | tail -n 1000 || :
        sed "s/^/$1 /" "$SCRATCH/given"
    } >"$2"
}

# hash_content: set CONTENT, a hash of the inputs with the hashes of the copied files (TAKES: `IMAGE PATH`) instead of ids; empty if one
# is not recorded.
hash_content() {
    local taken name path found id hash file text=$INPUTS
    CONTENT=''
    ((${#TAKES[@]})) || return 0
    for taken in "${TAKES[@]}"; do
        name=${taken%% *} path=${taken#* } found=''
        [[ -s $STATE/$name.given ]] || return 0
        while read -r id hash file; do
            [[ $id != "${READ_IDS[$name]}" || $file != "$path" ]] || found=$hash
        done <"$STATE/$name.given"
        [[ -n $found ]] || return 0
        text=${text/$'\n'"image $name ${READ_IDS[$name]}"/}
        text+=$'\n'"taken $name $found $path"
    done
    CONTENT=$(printf '%s\n' "$text" | sha256sum)
    CONTENT=${CONTENT%% *}
}

# find_same_content: does the store have an image whose key differs only in ids? Sets ID.
find_same_content() {
    local hash key
    hash_content
    [[ -n $CONTENT && -s $STATE/$IMAGE.contents ]] || return
    while read -r hash key; do
        [[ $hash == "$CONTENT" ]] || continue
        ID=$(find_image_id "localhost/buildsys-key/$SET/$IMAGE:$key")
        [[ -z $ID ]] || break
    done <"$STATE/$IMAGE.contents"
    [[ -n $ID ]] && SAME_CONTENT=yes
}
SAME_CONTENT=''

# record_content: record the current content and key of this image.
record_content() {
    hash_content
    [[ -z $CONTENT ]] || printf '%s %s\n' "$CONTENT" "$KEY" >>"$STATE/$IMAGE.contents"
}
