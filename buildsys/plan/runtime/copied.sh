# What images copy from one another, by content: while these files stay the same an image need not be built again, whatever
# became of the image they come from.
#
# The image that gives them notes their hashes when it is built, since its files are at hand then; state/NAME.given has a line
# for each: its id, the hash, the path. state/NAME.contents has a line for each key of an image that takes them: a hash of
# the key's inputs with these hashes in the place of ids, and the key. What is not noted counts by the image's id.

# note_given: hashes of what others copy from this image (GIVES, paths), before it is committed.
note_given() {
    local path hash
    ((${#GIVES[@]})) || return 0
    for path in "${GIVES[@]}"; do
        # A missing path fails the step that copies it.
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

# content: sets CONTENT, a hash of the inputs with what this image copies (TAKES: `IMAGE PATH`) in the place of ids; empty
# when that is not known.
content() {
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

# same_content: is an image in the store under a key that differs in ids alone? Sets ID.
same_content() {
    local hash key
    content
    [[ -n $CONTENT && -s $STATE/$IMAGE.contents ]] || return
    while read -r hash key; do
        [[ $hash == "$CONTENT" ]] || continue
        ID=$(image_id "localhost/buildsys-key/$SET/$IMAGE:$key")
        [[ -z $ID ]] || break
    done <"$STATE/$IMAGE.contents"
    [[ -n $ID ]] && SAME_CONTENT=yes
}
SAME_CONTENT=''

remember_content() {
    content
    [[ -z $CONTENT ]] || printf '%s %s\n' "$CONTENT" "$KEY" >>"$STATE/$IMAGE.contents"
}
