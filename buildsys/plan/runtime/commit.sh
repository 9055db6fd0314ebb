# From the working container to the image, without volatile data: the bytes do not depend on the time and the host of the build.

# configure OPTIONS…: options of `buildah config`. Adds to ANNOTATED the declared annotations that `buildah commit` would replace by
# its own.
configure() {
    local option before=''
    for option; do
        if [[ $before == --annotation && $option == org.opencontainers.image.@(created|base.name|base.digest)=* ]]; then
            ANNOTATED+=(--annotation "$option")
        fi
        before=$option
    done
    buildah config "$@" "$CONTAINER"
}
ANNOTATED=()

# commit: set ID. Only a normalised image gets the name of its key, by which later runs find it.
commit() {
    if [[ -n ${CONTAINERFILE-} ]]; then
        normalise "$BUILT"
        buildah tag "$KEY_NAME" "$REFERENCE"
        exec {NAMING}>&-
        return
    fi
    remove_volatile_files
    measure_layer
    note_acls
    hash_given_files
    split_databases
    # buildah itself records the id, because this step may be killed meanwhile. lib/leftovers.sh removes the image if it has no name.
    local made removed='' options=() name=() with=(command) word=$STATE/committed.$IMAGE.$BEGAN
    ! has_removals || removed=yes
    # A newer buildah sets these annotations at each commit; an older one has them from `buildah config`.
    [[ $BS_BUILDAH_IS != once\ * ]] || options=("${ANNOTATED[@]}")
    # Once: with options that leave nothing volatile, the committed image is already normal.
    if [[ $COMMITS == once ]]; then
        set_once_options "$BS_EPOCH"
        options+=("${ONCE[@]}")
        # Without its databases the image is not complete.
        [[ -n $DATABASE_LAYER ]] || name=("$REFERENCE")
    else
        # With this variable a newer buildah would do a part of the normalisation.
        with=(env -u SOURCE_DATE_EPOCH)
    fi
    "${with[@]}" buildah "${STORE[@]}" commit --quiet --format "$BS_FORMAT" --omit-history --identity-label=false \
        "${options[@]}" --iidfile "$word" --rm "$CONTAINER" "${name[@]}"
    CONTAINER=''
    read -r made <"$word" || :
    made=${made#sha256:}
    [[ -z $removed ]] || date_removals "$made" "$SCRATCH/normal"
    normalise "$made"
    if [[ $ID == "$made" && -n ${name-} ]]; then rm -f "$word"; else buildah tag "$KEY_NAME" "$REFERENCE"; fi
    exec {NAMING}>&-
}

# find_created: set CREATED, the creation time of the image: the latest of the epoch, the build time of its newest package, and the
# creation time of its parent. So no image seems older than what is in it.
find_created() {
    local base='' epoch=$CREATED text='"([^"\\]|\\.)*"'
    [[ ! ${NEWEST-} > $CREATED ]] || CREATED=$NEWEST
    if [[ -n ${BASE-} ]]; then
        # The order of keys in the configuration of another builder is unknown.
        base=$(buildah inspect --type image --format '{{.OCIv1.Created.UTC.Format "2006-01-02T15:04:05.999999999Z"}}' "$PARENT") || :
    elif [[ $PARENT != scratch ]]; then
        find_stored "$PARENT" '=c2hhMjU2O*' --config
        [[ ! $(<"$KEPT") =~ ^\{(\"(id|parent|comment)\":$text,)*\"created\":\"([^\"]*)\" ]] || base=${BASH_REMATCH[4]}
    fi
    # Compare seconds: a fraction follows only some of the times.
    [[ $base != [0-9]*Z || ${base::19} < ${CREATED::19} ]] || CREATED=$base
    # The options of a single commit set one time, for the configuration and for removals in the layer.
    [[ $CREATED == "$epoch" ]] || COMMITS=twice
}

# lock_image_names ID: lock the names of this image until NAMING is closed. Steps with equal results name the same image, and a tool
# that adds a name reads all names and writes them back.
lock_image_names() {
    exec {NAMING}>>"$RUNROOT/buildsys.naming.${1::1}"
    flock "$NAMING"
}

# remove_volatile_files: remove logs, caches and locks, and set the time of everything that this step wrote to the epoch.
remove_volatile_files() {
    # Keep removals: a removal is a device in the layer, or a file named .wh.NAME. Remove only what this step created, so that all
    # drivers give the same layer. find reads the time of a directory before it deletes files there, so emptied directories are touched
    # again.
    local emptied=$SCRATCH/emptied
    find -P "$UPPER" -depth ! -type c ! -name '.wh.*' -newerct "@$SINCE" \( \
        -path "$UPPER/var/log/dnf*.log*" -o -path "$UPPER/var/log/hawkey.log*" -o -path "$UPPER/var/log/yum.log*" \
        -o -path "$UPPER/var/cache/dnf/*" -o -path "$UPPER/var/cache/yum/*" -o -path "$UPPER/var/lib/dnf/*" \
        -o -path "$UPPER/var/lib/yum/*" -o -path "$UPPER/var/cache/ldconfig/aux-cache" \
        -o -path "$UPPER/var/lib/rpm/rpmdb.sqlite-*" -o -path "$UPPER/var/lib/rpm/.rpm.lock" \
        -o -path "$UPPER/var/lib/rpm/__db*" -o -path "$UPPER/usr/lib/sysimage/rpm/rpmdb.sqlite-*" \
        -o -path "$UPPER/usr/lib/sysimage/rpm/.rpm.lock" -o -path "$UPPER/run/buildsys" \) \
        -delete -fprintf "$emptied" '%h\0' \
        -o -newermt "@$BS_EPOCH" -newerct "@$SINCE" -exec touch -h -d @"$BS_EPOCH" {} +
    [[ ! -s $emptied ]] || xargs -0 touch -c -h -d @"$BS_EPOCH" <"$emptied"
}

# normalise IMAGE-ID: set ID, the image with the same layers and a configuration without time, container id and tool version, and
# give it the name of its key. An image that is not normal yet is stored a second time.
normalise() {
    local files was now work=$SCRATCH/normal source
    # The store names the file of the configuration by its digest in base64; this is the beginning of `sha256:`.
    find_stored "$1" '=c2hhMjU2O*' --config
    files=("$KEPT")
    find_stored "$1" manifest
    files+=("$KEPT")
    was=("$(<"${files[0]}")" "$(<"${files[1]}")")
    mapfile -t now < <(print_canonical "${files[@]}")
    [[ -z ${LAYER_WAS-} ]] || now=("${now[@]//$LAYER_WAS/$LAYER_IS}")
    add_database_layer
    ID=$1
    if [[ ${now[0]} != "${was[0]}" ]]; then
        ID=$(printf '%s' "${now[0]}" | sha256sum)
        ID=${ID%% *}
    fi
    lock_image_names "$ID"
    if [[ -z $HELD && ${now[*]} == "${was[*]}" ]]; then
        # skopeo copies nothing of an image that the store has, and takes less time than `buildah tag`.
        source=$(name_store_image "@$ID")
    else
        [[ ${now[1]} =~ ^(.*\"config\":\{[^}]*\"size\":)[0-9]+(.*)$ ]]
        now[1]=${BASH_REMATCH[1]}${#now[0]}${BASH_REMATCH[2]}
        printf '%s' "${now[0]}" >"$work/$ID"
        printf '%s' "${now[1]/$1/$ID}" >"$work/manifest.json"
        printf 'Directory Transport Version: 1.1\n' >"$work/version"
        source=dir:$work
    fi
    GOMAXPROCS=1 skopeo --insecure-policy copy --quiet "$source" "$(name_store_image "$KEY_NAME")"
}

# print_canonical CONFIG MANIFEST: print both files in canonical form, a line each: the form that a newer buildah writes with the
# options of set_once_options. Values that the recipe declares stay. A pattern includes the quotes of a JSON key; within a JSON
# string quotes are escaped, so no pattern matches there.
print_canonical() {
    local text='"([^"\\]|\\.)*"' volatile=org.opencontainers.image. name edits=()
    for name in created base.name base.digest; do
        [[ $INPUTS != *"do configure --annotation "?(\$)?(\')"$volatile$name="* ]] || continue
        name=${volatile//./\\.}${name//./\\.}
        edits+=(-e "2s/\"$name\":$text,//g" -e "2s/,?\"$name\":$text//g")
    done
    # An external base image has the label of its builder.
    if [[ -n ${BASE-}${CONTAINERFILE-} && $INPUTS != *io.buildah.version* ]]; then
        name='"io\.buildah\.version"'
        edits+=(-e "1s/$name:$text,//g" -e "1s/,?$name:$text//g")
    fi
    sed -E -e "1s/^\{((\"(id|parent|comment)\":$text,)*)\"created\":$text,(\"container\":$text,)?/{\1\"created\":\"$CREATED\",/" \
        -e '1s/("(container_)?config":\{"Hostname":)"[^"]*","Domainname":"[^"]*"/\1"sandbox","Domainname":""/g' \
        "${edits[@]}" -e '2s/,?"annotations":\{\}//' "$@"
}

# find_stored IMAGE-ID FILE [--config]: set KEPT, a file with the image's manifest, or its configuration with --config. FILE is its
# name in the store; reading it there saves a process (20 ms in a small store, 80 ms with 1,000 images). If the store has no such
# file, or a Containerfile filled it, skopeo reads it.
find_stored() {
    # shellcheck disable=SC2206 # a pattern
    local found=("$GRAPHROOT/$DRIVER-images/$1"/$2)
    KEPT=${found[0]}
    if [[ -n $HELD ]]; then
        KEPT=$SCRATCH/stored${3-}
        run_builder skopeo inspect --raw "${@:3}" "$(name_builder_image "@$1")" >"$KEPT"
    elif [[ ! -s $KEPT ]]; then
        KEPT=$SCRATCH/stored${3-}
        command skopeo inspect --raw "${@:3}" "$(name_store_image "@$1")" >"$KEPT"
    fi
}
