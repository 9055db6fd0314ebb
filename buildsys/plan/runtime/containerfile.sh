# An image built by its Containerfile, in a store of its own above the one it is for: whatever a builder leaves behind,
# interrupted or not, goes with that store's folder. Only the finished image comes over, and of it only what is new.
#
# A RUN can leave the root that buildah gives it, by a second chroot. So buildah itself has for its root a folder in memory
# with its own program, the layers that are read, read-only, and BUILDER, the folder of this build. While a RUN may still
# be there the host reads nothing below BUILDER, and later only by programs that enter again.

# What BUILDER is called there: tools read letters of a path as parts of a store's name, or take it for text.
WITHIN=/builder
WITH_IMAGES=() SECRETS=() HELD='' LAID=context

# with_file MODE HASH PATH, with_folder PATH, with_link TARGET PATH: what the build gets to see beside the Containerfile, or
# in the folder that `with_context` has named.
with_file() {
    local to=$SCRATCH/builder/$LAID/$3
    mkdir -p "${to%/*}"
    cp --reflink=auto "$PLAN/context/$2" "$to"
    chmod "$1" "$to"
}

with_folder() { mkdir -p "$SCRATCH/builder/$LAID/$1"; }

with_link() {
    local to=$SCRATCH/builder/$LAID/$2
    mkdir -p "${to%/*}"
    ln -s "$1" "$to"
}

# with_context NAME: what follows lies in a folder of that name.
with_context() {
    LAID=contexts/${#WITH_IMAGES[@]}
    mkdir -p "$SCRATCH/builder/$LAID"
    WITH_IMAGES+=(--build-context "$1=$WITHIN/$LAID")
}

# with_secret NAME [FILE]: what RUN --mount=type=secret means by that name: what BS_SECRETS says, or FILE.
with_secret() {
    local file
    file=$(secret_file "$@")
    [[ -z $file ]] || SECRETS+=("$1=$file")
}

# with_image NAME IMAGE: what FROM, COPY --from and RUN --mount mean by that name, which no stage has.
with_image() { WITH_IMAGES+=(--build-context "$1=container-image://${READ_IDS[$2]}"); }

# containerfile HASH [online] [dated] [based] OPTIONS…: build by that Containerfile, without network unless `online`; OPTIONS
# are of `buildah build`. Sets HELD, the store that has the image, and BUILT, its id.
containerfile() {
    local file=$PLAN/context/$1 options=(--http-proxy=false --no-hosts --dns none) capability based=''
    shift
    RUNNING=yes
    if [[ ${1-} == online ]]; then
        shift
        # What comes from elsewhere may stay away for reasons of its own, and come the next time.
        ONLINE=1 options=() RUNNING=''
    fi
    if [[ ${1-} == dated ]]; then
        shift
        options+=(--build-arg SOURCE_DATE_EPOCH="$BS_EPOCH")
    fi
    if [[ ${1-} == based ]]; then
        shift
        based=yes
    fi
    # Newer builders raise these as far as some host somewhere allows.
    options+=(--ulimit "nofile=$(limit -Sn):$(limit -Hn)" --ulimit "nproc=$(limit -Su):$(limit -Hu)")
    for capability in "${CAPABILITIES[@]}"; do
        [[ $capability == mknod ]] || options+=(--cap-add "CAP_${capability^^}")
    done
    builder_begin
    for capability in "${SECRETS[@]%%=*}"; do options+=(--secret "id=$capability,src=/secrets/$capability"); done
    cp "$file" "$BUILDER/Containerfile"
    lay_below
    [[ -z $based ]] || hold_below
    builder buildah "${BUILDER_STORE[@]}" \
        build --isolation chroot --network host --uts host --cap-drop all --security-opt seccomp=/seccomp.json "${options[@]}" \
        --pull=never --layers=false --format "$BS_FORMAT" --timestamp "$BS_EPOCH" --omit-history --identity-label=false \
        --iidfile "$WITHIN/id" "${WITH_IMAGES[@]}" --file "$WITHIN/Containerfile" "$@" "$WITHIN/context" || {
        local status=$?
        ONLINE=''
        at "$(failed_line)"
        return "$status"
    }
    RUNNING='' ONLINE=''
    ! plain_file "$BUILDER/id" || read -r BUILT <"$BUILDER/id" || :
    BUILT=${BUILT#sha256:}
    [[ $BUILT =~ ^[0-9a-f]{64}$ ]] || return
    HELD=yes
    bring_layers
}

# limit OPTION: as buildah writes what `ulimit` says.
limit() {
    local value
    value=$(ulimit "$1")
    printf '%s' "${value/unlimited/-1}"
}

# builder_begin: sets BUILDER, the folder of this build; BUILDER_STORE, options for its store; BUILDER_OPTIONS of bwrap.
builder_begin() {
    local path program name source
    local -A shown=()
    BUILDER=$SCRATCH/builder
    mkdir -p "$BUILDER"/{context,home,tmp}
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$SCRATCH/passwd"
    # In an ordinary user's namespace buildah looks for that user's home.
    [[ ! -v _CONTAINERS_ROOTLESS_UID ]] ||
        printf 'user:x:%d:%d:user:%s:/bin/sh\n' "$_CONTAINERS_ROOTLESS_UID"{,} "$WITHIN/home" >>"$SCRATCH/passwd"
    printf 'root:x:0:\n' >"$SCRATCH/group"
    BUILDER_STORE=("${STORE[@]}" --root "$WITHIN/store" --runroot "$WITHIN/run" --storage-driver "$DRIVER"
        --storage-opt "$DRIVER.imagestore=$WITHIN/below")
    # Stores that the user's own reads from hold layers of its images.
    for name in "${STORE_OPTIONS[@]}"; do [[ $name != *.imagestore=* ]] || BUILDER_STORE+=(--storage-opt "$name"); done
    BUILDER_OPTIONS=(
        --unshare-ipc --unshare-pid --unshare-uts --hostname localhost --die-with-parent --new-session --cap-add ALL
        --dev /dev --perms 1777 --tmpfs /dev/shm --proc /proc --perms 0555 --tmpfs /sys --perms 1777 --tmpfs /tmp
        --perms 1777 --tmpfs /var/tmp --dir /run --ro-bind "$LIB/seccomp.json" /seccomp.json
        --ro-bind "$SCRATCH/passwd" /etc/passwd --ro-bind "$SCRATCH/group" /etc/group
    )
    for path in /etc/containers/{policy.json,registries.conf,registries.conf.d,storage.conf,containers.conf} /usr/share/containers \
        /usr/{lib,libexec}/podman; do
        BUILDER_OPTIONS+=(--ro-bind-try "$path" "$path")
    done
    for program in buildah skopeo fuse-overlayfs; do
        path=$(type -P "$program") || continue
        shown[$path]=$(readlink -f "$path")
        while read -r name source; do shown[$source]=$source; done < <(libraries "$path")
    done
    for path in "${!shown[@]}"; do BUILDER_OPTIONS+=(--ro-bind "${shown[$path]}" "$path"); done
    if [[ $ONLINE == 1 ]]; then
        for path in /etc/{resolv.conf,hosts,ssl,pki} /usr/share/ca-certificates /usr/local/share/ca-certificates; do
            BUILDER_OPTIONS+=(--ro-bind-try "$path" "$path")
        done
    else
        BUILDER_OPTIONS+=(--unshare-net)
    fi
    for name in "${STORE_OPTIONS[@]}"; do
        [[ $name != *.imagestore=* ]] || BUILDER_OPTIONS+=(--ro-bind "${name#*=}" "${name#*=}")
    done
    for name in "${SECRETS[@]}"; do BUILDER_OPTIONS+=(--ro-bind "${name#*=}" "/secrets/${name%%=*}"); done
    BUILDER_OPTIONS+=(--bind "$BUILDER" "$WITHIN")
}

# builder COMMAND…: buildah or skopeo, in that root. RESULT, when it is set, is a folder of the host that it may write in.
builder() {
    local options=("${BUILDER_OPTIONS[@]}") environment=(PATH="$PATH" HOME="$WITHIN/home" TMPDIR="$WITHIN/tmp") name
    # buildah mounts; what a RUN calls is filtered by buildah itself.
    local FILTERED=''
    [[ -z ${RESULT-} ]] || options+=(--bind "$RESULT" "$WITHIN/result")
    [[ $ONLINE != 1 ]] || online
    # In the user namespace of an ordinary user the tools are told so.
    for name in "${!_CONTAINERS_@}" GOGC GOMAXPROCS; do [[ ! -v $name ]] || environment+=("$name=${!name}"); done
    sealed "$@"
}

# lay_below: the store that the build's own lies above. Its layers are the real ones; its records are a copy, of the images that
# are read and of no other. Who reads those of a store while others write them takes its locks in another order than
# they do, and all wait for ever; and what else is listed there may go any time.
lay_below() {
    local id wanted=none images=$DRIVER-images layers=$DRIVER-layers
    mkdir -p "$BUILDER/below/$images" "$BUILDER/below/$layers"
    for id in "${READ_IDS[@]}"; do
        # One of a store that the user's own only reads from is found there.
        [[ $wanted != *"$id"* && -d $GRAPHROOT/$images/$id ]] || continue
        wanted+="|$id"
        cp -R "$GRAPHROOT/$images/$id" "$BUILDER/below/$images/"
    done
    # Images first: the layers of each image were written before it.
    records "$GRAPHROOT/$images/images.json" | awk -v wanted="^{\"id\":\"($wanted)\"" '$0 ~ wanted' >"$BUILDER/below/images"
    records "$GRAPHROOT/$layers/layers.json" | awk '
        function said(key) { return match($0, "\"" key "\":\"[0-9a-f]+\"") ? substr($0, RSTART + length(key) + 4, 64) : "" }
        FILENAME == ARGV[1] { first[++count] = said("layer"); next }
        { line[said("id")] = $0; parent[said("id")] = said("parent") }
        END {
            for (i = 1; i <= count; i++) for (id = first[i]; id in line && !told[id]++; id = parent[id]) print line[id]
        }' "$BUILDER/below/images" - >"$BUILDER/below/layers"
    for id in images layers; do
        { printf '[' && paste -sd , "$BUILDER/below/$id" && printf ']'; } >"$BUILDER/below/$DRIVER-$id/$id.json"
        : >"$BUILDER/below/$DRIVER-$id/$id.lock"
    done
    while IFS= read -r id; do lay_layer "$id"; done < <(sed -E 's/^\{"id":"([0-9a-f]+)".*/\1/' "$BUILDER/below/layers")
}

# lay_layer ID: the layer itself, the short name that the overlay driver gives it, and how its bytes were packed: a new layer
# may be equal to it.
lay_layer() {
    local real=$GRAPHROOT/$DRIVER below=$BUILDER/below/$DRIVER name
    if [[ -d $real/dir ]]; then
        real=$real/dir below=$below/dir
    fi
    mkdir -p "$below/$1" "$below/l"
    BUILDER_OPTIONS+=(--ro-bind "$real/$1" "$WITHIN${below#"$BUILDER"}/$1")
    if [[ -s $real/$1/link ]]; then
        name=$(<"$real/$1/link")
        ln -s "../$1/diff" "$below/l/$name"
    fi
    cp "$GRAPHROOT/$DRIVER-layers/$1.tar-split.gz" "$BUILDER/below/$DRIVER-layers/"
}

# hold_below: the store of this build knows the images that are read as its own. A stage that others begin with is an image,
# which buildah removes in the end with all layers that are no other image's; and it fails where these are of the store below.
hold_below() {
    mkdir -p "$BUILDER/store"
    cp -R "$BUILDER/below/$DRIVER-images" "$BUILDER/store/"
}

# failed_line: where the step was written that the log ends in; the Containerfile's first line when that is not clear.
failed_line() {
    local steps='^(\[([0-9]+)/[0-9]+\] )?STEP ([0-9]+)/[0-9]+: ([A-Z]+).*' last
    last=$(sed -nE "s,$steps,\\2 \\3 \\4,p" "$PLAN/logs/$IMAGE.log" | tail -n 1)
    LAST=$last FIRST=$SPOT awk -F '\t' '
        BEGIN {
            count = split(ENVIRON["LAST"], step, " ")
            if (count == 2) { step[3] = step[2]; step[2] = step[1]; step[1] = 1 }
        }
        FILENAME == ARGV[1] { place[FNR] = $1; next }
        !/^do containerfile [A-Z]/ { next }
        { split($0, said, " ") }
        said[3] == "FROM" { stage++; number = 0 }
        # Behind each FROM stands one that is ours.
        { number += number == 1 ? 2 : 1 }
        stage == step[1] && number == step[2] && (said[3] == step[3] || said[3] == "ADD") { found = place[FNR] }
        END { print found == "" ? ENVIRON["FIRST"] : found }' <(spots) "$PLAN/keys/$IMAGE"
}

# bring_layers: the layers that the real store does not have, beside the files that `normalise` makes an image of.
bring_layers() {
    local RESULT=$SCRATCH/layers blobs=$SCRATCH/layers/blobs/sha256 layer store known=()
    for store in "$GRAPHROOT" "${STORE_OPTIONS[@]}"; do
        [[ $store != /* && $store != *.imagestore=* ]] || known+=("${store#*.imagestore=}/$DRIVER-layers/layers.json")
    done
    mkdir -p "$blobs"
    stored "$BUILT" '=c2hhMjU2O*' --config
    while IFS= read -r layer; do
        # An empty file keeps a layer from being read: it is taken to be there already.
        ! grep -Fqs "\"diff-digest\":\"$layer\"" "${known[@]}" || : >"$blobs/${layer#sha256:}"
    done < <(grep -o '"diff_ids":\[[^]]*\]' "$KEPT" | grep -o 'sha256:[0-9a-f]*')
    builder skopeo --insecure-policy copy --quiet --dest-oci-accept-uncompressed-layers "$(held "@$BUILT")" "oci:$WITHIN/result:new"
    find "$blobs" -type f -size +0 -exec mv -t "$SCRATCH/normal" {} +
}

# held NAME: the way skopeo names an image of the store of this build.
held() {
    local option more=''
    for option in "${STORE_OPTIONS[@]}"; do [[ $option != *.imagestore=* ]] || more+=,$option; done
    printf 'containers-storage:[%s@%s+%s:%s.imagestore=%s%s]%s' \
        "$DRIVER" "$WITHIN/store" "$WITHIN/run" "$DRIVER" "$WITHIN/below" "$more" "$1"
}
