# What images copy from one another, by content: while these files stay the same an image need not be built again, whatever
# became of the image they come from.
#
# The image that gives them notes their hashes when it is built, since its files are at hand then; state/NAME.given has a line
# for each: its id, the hash, the path. The image that takes them gets one more name, localhost/buildsys-content/SET/NAME:HASH,
# where HASH is the build key's but for the ids of such images. What is not noted counts by the image's id.

# note_given: hashes of what others copy from this image (GIVES, paths), before it is committed.
note_given() {
    local path hash
    ((${#GIVES[@]})) || return 0
    for path in "${GIVES[@]}"; do
        # A path that is not there is missed by whoever copies it.
        hash=$(hash_given "$path") || continue
        printf '%s %s\n' "$hash" "$path"
    done >"$SCRATCH/given"
}

# hash_given PATH: of all that a copy of it keeps. tar writes no time but that of the last change, and nothing of itself.
hash_given() {
    local hash
    kit_open kit.copying "${COPYING[@]}" && lend_scratch || return
    hash=$(enter kit -- "${KIT_LOADER[@]}" /dev/buildsys/kit/bin/tar --create --no-unquote --sort=name --numeric-owner \
        --format=posix --pax-option='exthdr.name=%d/x/%f,delete=atime,delete=ctime' \
        --xattrs --xattrs-include=security.capability --xattrs-include='user.*' -C / -- ".$1" </dev/null 2>/dev/null |
        sha256sum) || return
    # Nothing, where nothing was read.
    [[ $hash != e3b0c44298fc1c149afbf4c8996fb924* ]] || return
    printf '%s' "${hash%% *}"
}

# remember_given ID FILE: what is known of this image and of its predecessors, in FILE.
remember_given() {
    {
        [[ ! -s $STATE/$IMAGE.given ]] || grep -v "^$1 " "$STATE/$IMAGE.given" | tail -n 1000 || :
        sed "s/^/$1 /" "$SCRATCH/given"
    } >"$2"
}

# content_name: sets CONTENT_NAME, the name by what this image copies (TAKES: `IMAGE PATH`); empty when that is not known.
content_name() {
    local taken name path found id hash file text=$INPUTS
    CONTENT_NAME=''
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
    text=$(printf '%s\n' "$text" | sha256sum)
    CONTENT_NAME=localhost/buildsys-content/$SET/$IMAGE:${text%% *}
}
CONTENT_NAME=''
