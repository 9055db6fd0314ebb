# From working container to image: nothing volatile in it, the same bytes whenever and wherever it is built.

# configure OPTIONS…: of `buildah config`. Sets ANNOTATED: what buildah would say by itself, and the recipe says otherwise.
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

# commit: sets ID. The key is what an image is known by: it names only what is normal.
commit() {
    if [[ -n ${CONTAINERFILE-} ]]; then
        normalise "$BUILT"
        buildah tag "$KEY_NAME" "$REFERENCE"
        exec {NAMING}>&-
        return
    fi
    tidy
    weigh_layer
    note_given
    # buildah itself leaves word of what it made: this step may be killed meanwhile. lib/run.sh removes what has no name.
    local made removed='' options=() name=() with=(command) word=$STATE/committed.$IMAGE.$BEGAN
    ! something_removed || removed=yes
    # A newer buildah says these by itself in either way; an older one has taken them with the rest of the configuration.
    [[ $BS_BUILDAH_IS != once\ * ]] || options=("${ANNOTATED[@]}")
    # Once: with options that leave nothing volatile, the image is what normalise makes of it.
    if [[ $COMMITS == once ]]; then
        once_options "$BS_EPOCH"
        options+=("${ONCE[@]}")
        name=("$REFERENCE")
    else
        # A newer buildah would do a part of it.
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

# name_alone ID: until NAMING is closed nobody else names this image. Equal images are one, and a tool that adds a
# name reads those it has and writes them back.
name_alone() {
    exec {NAMING}>>"$RUNROOT/buildsys.naming.${1::1}"
    flock "$NAMING"
}

# tidy: logs, caches and locks leave; what this step wrote is as old as the set.
tidy() {
    # What a step removed stays so: a removal is a device in the layer, or a file called .wh. Only what this step made
    # leaves, so that every driver leaves the same. The time of a directory was read before it lost what was in it.
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

# normalise IMAGE-ID: a config without time, container id and tool version, over the same layers. Sets ID and gives the
# image its key name; one that is not normal already is stored once more.
normalise() {
    local files was now work=$SCRATCH/normal source
    # In base64 every name that begins with `sha256:` begins so.
    stored "$1" '=c2hhMjU2O*' --config
    files=("$KEPT")
    stored "$1" manifest
    files+=("$KEPT")
    was=("$(<"${files[0]}")" "$(<"${files[1]}")")
    mapfile -t now < <(canonical "${files[@]}")
    [[ -z ${LAYER_WAS-} ]] || now=("${now[@]//$LAYER_WAS/$LAYER_IS}")
    ID=$1
    if [[ ${now[0]} != "${was[0]}" ]]; then
        ID=$(printf '%s' "${now[0]}" | sha256sum)
        ID=${ID%% *}
    fi
    name_alone "$ID"
    if [[ -z $HELD && ${now[*]} == "${was[*]}" ]]; then
        # Of what is there skopeo copies nothing, and it is there sooner than buildah.
        source=$(in_store "@$ID")
    else
        [[ ${now[1]} =~ ^(.*\"config\":\{[^}]*\"size\":)[0-9]+(.*)$ ]]
        now[1]=${BASH_REMATCH[1]}${#now[0]}${BASH_REMATCH[2]}
        printf '%s' "${now[0]}" >"$work/$ID"
        printf '%s' "${now[1]/$1/$ID}" >"$work/manifest.json"
        printf 'Directory Transport Version: 1.1\n' >"$work/version"
        source=dir:$work
    fi
    GOMAXPROCS=1 skopeo --insecure-policy copy --quiet "$source" "$(in_store "$KEY_NAME")"
}

# canonical CONFIG MANIFEST: the files as every buildah has to leave them, a line each: the form that a newer one gives
# them by itself. What a recipe declares stays. Keys are told from texts by their quotes, which are escaped in a text.
canonical() {
    local text='"([^"\\]|\\.)*"' volatile=org.opencontainers.image. name edits=()
    for name in created base.name base.digest; do
        [[ $INPUTS != *"do configure --annotation "?(\$)?(\')"$volatile$name="* ]] || continue
        name=${volatile//./\\.}${name//./\\.}
        edits+=(-e "2s/\"$name\":$text,//g" -e "2s/,?\"$name\":$text//g")
    done
    # The label of the builder of a base image from elsewhere.
    if [[ -n ${BASE-}${CONTAINERFILE-} && $INPUTS != *io.buildah.version* ]]; then
        name='"io\.buildah\.version"'
        edits+=(-e "1s/$name:$text,//g" -e "1s/,?$name:$text//g")
    fi
    sed -E -e "1s/^\{((\"(id|parent|comment)\":$text,)*)\"created\":$text,(\"container\":$text,)?/{\1\"created\":\"$CREATED\",/" \
        -e '1s/("(container_)?config":\{"Hostname":)"[^"]*","Domainname":"[^"]*"/\1"sandbox","Domainname":""/g' \
        "${edits[@]}" -e '2s/,?"annotations":\{\}//' "$@"
}

# stored IMAGE-ID FILE [--config]: sets KEPT, a file of the image's manifest or configuration: where the store is laid
# out as we know it its own, which no process has to be started for. Of a store that a Containerfile filled nothing is
# read from outside.
stored() {
    # shellcheck disable=SC2206 # a pattern
    local found=("$GRAPHROOT/$DRIVER-images/$1"/$2)
    KEPT=${found[0]}
    if [[ -n $HELD ]]; then
        KEPT=$SCRATCH/stored${3-}
        builder skopeo inspect --raw "${@:3}" "$(held "@$1")" >"$KEPT"
    elif [[ ! -s $KEPT ]]; then
        KEPT=$SCRATCH/stored${3-}
        command skopeo inspect --raw "${@:3}" "$(in_store "@$1")" >"$KEPT"
    fi
}
