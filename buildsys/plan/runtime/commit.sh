# From working container to image: nothing volatile in it, the same bytes whenever and wherever it is built.

# configure OPTIONS…: of `buildah config`
configure() { buildah config "$@" "$CONTAINER"; }

# commit: sets ID. The image gets its names last: first the key, then the reference.
commit() {
    local intermediate
    if [[ -n ${CONTAINERFILE-} ]]; then
        normalise "$BUILT"
        buildah tag "$KEY_NAME" "$REFERENCE"
        exec {NAMING}>&-
        return
    fi
    tidy
    # buildah itself leaves word of what it made: this step may be killed meanwhile. lib/run.sh removes those images together.
    local word=$STATE/committed.$IMAGE.$BEGAN
    command buildah "${STORE[@]}" commit --quiet --format "$BS_FORMAT" --omit-history --identity-label=false \
        --iidfile "$word" --rm "$CONTAINER"
    CONTAINER=''
    read -r intermediate <"$word" || :
    intermediate=${intermediate#sha256:}
    normalise "$intermediate"
    buildah tag "$KEY_NAME" "$REFERENCE"
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
    # What a step removed stays so: a removal is a device in the layer, or a file called .wh. Directories come after what is
    # in them (-depth), so what leaves takes their time along.
    find -P "$UPPER" -depth ! -type c ! -name '.wh.*' \( \
        -path "$UPPER/var/log/dnf*.log*" -o -path "$UPPER/var/log/hawkey.log*" -o -path "$UPPER/var/log/yum.log*" \
        -o -path "$UPPER/var/cache/dnf/*" -o -path "$UPPER/var/cache/yum/*" -o -path "$UPPER/var/lib/dnf/*" \
        -o -path "$UPPER/var/lib/yum/*" -o -path "$UPPER/var/cache/ldconfig/aux-cache" \
        -o -path "$UPPER/var/lib/rpm/rpmdb.sqlite-*" -o -path "$UPPER/var/lib/rpm/.rpm.lock" \
        -o -path "$UPPER/var/lib/rpm/__db*" -o -path "$UPPER/usr/lib/sysimage/rpm/rpmdb.sqlite-*" \
        -o -path "$UPPER/usr/lib/sysimage/rpm/.rpm.lock" -o -path "$UPPER/run/buildsys" \) -delete \
        -o -newermt "@$BS_EPOCH" -newerct "@$SINCE" -exec touch -h -d @"$BS_EPOCH" {} +
}

# normalise IMAGE-ID: a config without time, container id and tool version, over the same layers.
# Sets ID and gives the image its key name.
normalise() {
    local config manifest work=$SCRATCH/normal
    # In base64 every name that begins with `sha256:` begins so.
    stored "$1" '=c2hhMjU2O*' --config
    config=$(sed -E -e 's/"created":"[^"]*"/"created":"'"$CREATED"'"/' -e 's/"container":"[0-9a-f]{64}",?//' \
        -e 's/"Hostname":"[0-9a-f]{12}"/"Hostname":""/g' \
        -e 's/"io\.buildah\.version":"[^"]*",//g' -e 's/,?"io\.buildah\.version":"[^"]*"//g' "$KEPT")
    ID=$(printf '%s' "$config" | sha256sum)
    ID=${ID%% *}
    stored "$1" manifest
    manifest=$(sed -E -e 's/("config":\{[^}]*"size":)[0-9]+/\1'"${#config}"'/' -e "s/$1/$ID/" \
        -e 's/"org\.opencontainers\.image\.base\.[a-z]+":"[^"]*",//g' \
        -e 's/,?"org\.opencontainers\.image\.base\.[a-z]+":"[^"]*"//g' \
        -e 's/,?"annotations":\{\}//' "$KEPT")
    printf '%s' "$config" >"$work/$ID"
    printf '%s' "${manifest//$'\n'/}" >"$work/manifest.json"
    printf 'Directory Transport Version: 1.1\n' >"$work/version"
    name_alone "$ID"
    GOMAXPROCS=1 skopeo --insecure-policy copy --quiet "dir:$work" "$(in_store "$KEY_NAME")"
}

# stored IMAGE-ID FILE [--config]: sets KEPT, a file of the image's manifest or configuration: where the store is laid
# out as we know it its own, which no process has to be started for. Of a store that a Containerfile filled nothing is
# read from outside.
stored() {
    # shellcheck disable=SC2206 # a pattern
    local found=("$GRAPHROOT/$DRIVER-images/$1"/$2)
    KEPT=${found[0]}
    if [[ -n $HELD ]]; then
        KEPT=$SCRATCH/stored
        builder skopeo inspect --raw "${@:3}" "$(held "@$1")" >"$KEPT"
    elif [[ ! -s $KEPT ]]; then
        KEPT=$SCRATCH/stored
        command skopeo inspect --raw "${@:3}" "$(in_store "@$1")" >"$KEPT"
    fi
}
