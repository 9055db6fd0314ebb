# Two layers for one image: the files of its packages, and above them the databases that every install rewrites. When a package of
# the parent changes, only the databases of its children are new: their first layer stays the same blob.

# Databases in a root, as patterns of find, whose `*` matches `/` too: plain files that hold what the parent has, with the changes of
# this image.
DATABASES=(
    'var/lib/rpm/*' 'usr/lib/sysimage/rpm/*' 'var/lib/alternatives/*'
    'var/lib/dpkg/status*' 'var/lib/dpkg/available*' 'var/lib/dpkg/diversions*' 'var/lib/dpkg/statoverride*'
    'var/lib/dpkg/triggers/*' 'var/lib/dpkg/alternatives/*' 'var/lib/apt/extended_states' 'var/cache/debconf/*'
    'etc/ld.so.cache' 'etc/passwd' 'etc/passwd-' 'etc/group' 'etc/group-' 'etc/shadow' 'etc/shadow-' 'etc/gshadow' 'etc/gshadow-'
    'etc/subuid' 'etc/subuid-' 'etc/subgid' 'etc/subgid-'
)

# Versions of tar write this format alike; in the posix format, 1.34 and 1.35 fill other fields of a header.
IN_LAYER=(--format=gnu --numeric-owner --no-recursion)
# With attributes, which need the posix format. An ordinary user's overlay keeps marks of its own in attributes.
ATTRIBUTED=(--format=posix --numeric-owner --no-recursion
    --xattrs --xattrs-include=security.capability --xattrs-include='user.*' --xattrs-exclude='user.overlay.*')

# has_split: do the inputs of the image ask for two layers?
has_split() { [[ $'\n'$INPUTS$'\n' == *$'\nsplit databases\n'* ]]; }

# list_databases TIME: print the databases that were changed after this time, each path relative to the root, with a NUL. find follows
# no link, so each folder on the way is a folder. A file with several links stays in one layer with the others.
list_databases() {
    local name tops=() patterns=()
    for name in etc usr var; do [[ ! -d $UPPER/$name || -L $UPPER/$name ]] || tops+=("$UPPER/$name"); done
    ((${#tops[@]})) || return 0
    for name in "${DATABASES[@]}"; do patterns+=(-o -path "$UPPER/$name"); done
    find -P "${tops[@]}" -path "$UPPER/usr/*" ! -path "$UPPER/usr/lib" ! -path "$UPPER/usr/lib/sysimage*" -prune \
        -o -type f -links 1 -newerct "@$1" ! -name '.wh.*' \( "${patterns[@]:1}" \) -printf '%H/%P\0' |
        cut -z -b "$((${#UPPER} + 2))-" | LC_ALL=C sort -z
}

# keep_databases: before the step, copy the parent's databases, if the driver keeps no separate directory of changes.
keep_databases() {
    [[ $UPPER == "$ROOT" ]] && has_split || return 0
    list_databases 0 >"$SCRATCH/databases.before"
    tar --create --file "$SCRATCH/databases.tar" -C "$UPPER" "${ATTRIBUTED[@]}" --null --files-from "$SCRATCH/databases.before"
}

# split_databases: move the databases from the changes of this step to a layer file of their own; set DATABASE_LAYER, its path, empty
# if there is none.
split_databases() {
    local name folder i names=() folders=() times=()
    has_split || return 0
    # An image that is high already keeps its databases in its only layer.
    count_parent_layers
    ((BELOW + 2 <= MANY_LAYERS)) || return 0
    list_databases "$SINCE" >"$SCRATCH/databases"
    mapfile -t -d '' names <"$SCRATCH/databases"
    ((${#names[@]})) || return 0
    # A layer has the folders of its files too: an engine would give a folder that is missing there other metadata.
    for name in "${names[@]}"; do
        folder=$name
        while [[ $folder == */* ]]; do folder=${folder%/*} && folders+=("$folder"); done
    done
    printf '%s\0' "${names[@]}" "${folders[@]}" | LC_ALL=C sort -zu >"$SCRATCH/databases.all"
    # Attributes stay where buildah writes them.
    ! tar --create -C "$UPPER" "${ATTRIBUTED[@]}" --null --files-from "$SCRATCH/databases.all" | LC_ALL=C grep -aF SCHILY.xattr. >/dev/null ||
        return 0
    DATABASE_LAYER=$SCRATCH/databases.layer
    tar --create --file "$DATABASE_LAYER" -C "$UPPER" "${IN_LAYER[@]}" --null --files-from "$SCRATCH/databases.all"
    # Moving files changes the times of their folders.
    mapfile -t -d '' times < <(printf '%s\0' "${names[@]%/*}" | LC_ALL=C sort -zu |
        (cd "$UPPER" && xargs -0 stat --printf '%.9Y\0%n\0' --))
    (cd "$UPPER" && xargs -0 rm -f --) <"$SCRATCH/databases"
    [[ $UPPER != "$ROOT" ]] || LC_ALL=C comm -z -12 "$SCRATCH/databases.before" "$SCRATCH/databases" |
        tar --extract --file "$SCRATCH/databases.tar" -C "$UPPER" --xattrs --xattrs-include='*' --numeric-owner --same-owner --same-permissions \
            --null --files-from -
    for ((i = 0; i < ${#times[@]}; i += 2)); do touch -h -d "@${times[i]}" -- "$UPPER/${times[i + 1]}"; done
}
DATABASE_LAYER=''

# count_parent_layers: set BELOW, the number of layers of the parent.
count_parent_layers() {
    local text=''
    [[ $PARENT == scratch ]] || { find_stored "$PARENT" '=c2hhMjU2O*' --config && text=$(<"$KEPT"); }
    text=${text##*\"diff_ids\":[}
    text=${text%%]*}
    text=${text//[!:]/}
    BELOW=${#text}
}

# add_database_layer: add the layer of databases to the image in the array `now` of lib/commit.sh, its configuration and its manifest.
add_database_layer() {
    local sum size layer
    [[ -n $DATABASE_LAYER ]] || return 0
    sum=$(sha256sum <"$DATABASE_LAYER")
    sum=${sum%% *}
    size=$(stat -c %s -- "$DATABASE_LAYER")
    # Quotes within a JSON string are escaped, so these patterns match keys only.
    [[ ${now[0]} =~ ^(.*\"diff_ids\":\[[^]]*)(\].*)$ ]]
    now[0]=${BASH_REMATCH[1]},\"sha256:$sum\"${BASH_REMATCH[2]}
    # The order of keys differs between the formats.
    [[ ${now[1]} =~ ^(.*)(\{\"mediaType\":\"[^\"]*\",[^{}]*\})(\].*)$ ]]
    layer=$(sed -E "s/\"size\":[0-9]+/\"size\":$size/; s/\"digest\":\"sha256:[0-9a-f]{64}\"/\"digest\":\"sha256:$sum\"/" <<<"${BASH_REMATCH[2]}")
    now[1]=${BASH_REMATCH[1]}${BASH_REMATCH[2]},$layer${BASH_REMATCH[3]}
    mv "$DATABASE_LAYER" "$SCRATCH/normal/$sum"
}
