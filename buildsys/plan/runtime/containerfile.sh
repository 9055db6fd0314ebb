# An image that a Containerfile builds, in a temporary store above the real one: everything that a builder leaves behind, interrupted
# or not, is removed with the folder of that store. Only the new layers of the finished image are copied to the real store.
#
# A RUN can leave the root that buildah gives it, by a second chroot. So the root of buildah itself is a folder in memory with its
# program, the layers of the images it reads (read-only), and BUILDER, the folder of this build. The host reads nothing below BUILDER
# while a RUN may exist, and afterwards only by programs in the same root.

# The path of BUILDER in that root: the path on the host may contain characters that the tools interpret.
WITHIN=/builder
WITH_IMAGES=() SECRETS=() HELD='' LAID=context

# with_file MODE HASH PATH, with_folder PATH, with_link TARGET PATH: add a file, a folder or a link to the build context, or to the
# context that `with_context` named last.
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

# with_context NAME: add a named context; the files that follow belong to it.
with_context() {
    LAID=contexts/${#WITH_IMAGES[@]}
    mkdir -p "$SCRATCH/builder/$LAID"
    WITH_IMAGES+=(--build-context "$1=$WITHIN/$LAID")
}

# with_secret NAME [FILE]: supply a secret for RUN --mount=type=secret: the file that BS_SECRETS names, or FILE.
with_secret() {
    local file
    file=$(find_secret "$@")
    [[ -z $file ]] || SECRETS+=("$1=$file")
}

# with_image NAME IMAGE: supply the image that FROM, COPY --from and RUN --mount call NAME. No stage has this name.
with_image() { WITH_IMAGES+=(--build-context "$1=container-image://${READ_IDS[$2]}"); }

# containerfile HASH [online] [dated] [based] OPTIONS…: build with that Containerfile, without network unless `online`; OPTIONS are
# options of `buildah build`. Set HELD, if the temporary store has the image, and BUILT, its id.
containerfile() {
    local file=$PLAN/context/$1 options=(--http-proxy=false --no-hosts --dns none) capability based=''
    shift
    RUNNING=yes
    if [[ ${1-} == online ]]; then
        shift
        # A failed download is not the recipe's fault; a retry may succeed.
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
    # Newer versions of buildah raise these limits as far as the host allows.
    options+=(--ulimit "nofile=$(print_limit -Sn):$(print_limit -Hn)" --ulimit "nproc=$(print_limit -Su):$(print_limit -Hu)")
    for capability in "${CAPABILITIES[@]}"; do
        [[ $capability == mknod ]] || options+=(--cap-add "CAP_${capability^^}")
    done
    prepare_builder
    for capability in "${SECRETS[@]%%=*}"; do options+=(--secret "id=$capability,src=/secrets/$capability"); done
    cp "$file" "$BUILDER/Containerfile"
    copy_records
    [[ -z $based ]] || copy_images_to_builder
    run_builder buildah "${BUILDER_STORE[@]}" \
        build --isolation chroot --network host --uts host --cap-drop all --security-opt seccomp=/seccomp.json "${options[@]}" \
        --pull=never --layers=false --format "$BS_FORMAT" --timestamp "$BS_EPOCH" --omit-history --identity-label=false \
        --iidfile "$WITHIN/id" "${WITH_IMAGES[@]}" --file "$WITHIN/Containerfile" "$@" "$WITHIN/context" || {
        local status=$?
        ONLINE=''
        at "$(find_failed_line)"
        return "$status"
    }
    RUNNING='' ONLINE=''
    ! is_plain_file "$BUILDER/id" || read -r BUILT <"$BUILDER/id" || :
    BUILT=${BUILT#sha256:}
    [[ $BUILT =~ ^[0-9a-f]{64}$ ]] || return
    HELD=yes
    export_new_layers
}

# print_limit OPTION: print a limit of `ulimit` in the form that buildah reads.
print_limit() {
    local value
    value=$(ulimit "$1")
    printf '%s' "${value/unlimited/-1}"
}

# prepare_builder: set BUILDER, the folder of this build; BUILDER_STORE, the options of its store; BUILDER_OPTIONS, options of bwrap.
prepare_builder() {
    local path program name source
    local -A shown=()
    BUILDER=$SCRATCH/builder
    mkdir -p "$BUILDER"/{context,home,tmp}
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$SCRATCH/passwd"
    # In the namespace of an ordinary user buildah looks up that user's home.
    [[ ! -v _CONTAINERS_ROOTLESS_UID ]] ||
        printf 'user:x:%d:%d:user:%s:/bin/sh\n' "$_CONTAINERS_ROOTLESS_UID"{,} "$WITHIN/home" >>"$SCRATCH/passwd"
    printf 'root:x:0:\n' >"$SCRATCH/group"
    BUILDER_STORE=("${STORE[@]}" --root "$WITHIN/store" --runroot "$WITHIN/run" --storage-driver "$DRIVER"
        --storage-opt "$DRIVER.imagestore=$WITHIN/below")
    # Layers of the user's images may lie in additional image stores.
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
        while read -r name source; do shown[$source]=$source; done < <(list_libraries "$path")
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

# run_builder COMMAND…: run buildah or skopeo in that root. If RESULT is set, it is a folder of the host that the command may write in.
run_builder() {
    local options=("${BUILDER_OPTIONS[@]}") environment=(PATH="$PATH" HOME="$WITHIN/home" TMPDIR="$WITHIN/tmp") name
    # buildah itself must mount; it filters the system calls of each RUN.
    local FILTERED=''
    [[ -z ${RESULT-} ]] || options+=(--bind "$RESULT" "$WITHIN/result")
    [[ $ONLINE != 1 ]] || pass_network_settings
    # These variables tell the tools about the user namespace of an ordinary user.
    for name in "${!_CONTAINERS_@}" GOGC GOMAXPROCS; do [[ ! -v $name ]] || environment+=("$name=${!name}"); done
    run_sealed "$@"
}

# copy_records: make the store below the temporary one. Its layers are those of the real store; its records are a copy, for the images
# that this build reads only. The real store itself cannot be the store below: its readers and its writers lock in a different order
# and would wait for each other for ever, and its other images may be removed at any time. No command prints these records.
copy_records() {
    local id wanted=none images=$DRIVER-images layers=$DRIVER-layers
    mkdir -p "$BUILDER/below/$images" "$BUILDER/below/$layers"
    for id in "${READ_IDS[@]}"; do
        # Images of additional image stores are read from there.
        [[ $wanted != *"$id"* && -d $GRAPHROOT/$images/$id ]] || continue
        wanted+="|$id"
        cp -R "$GRAPHROOT/$images/$id" "$BUILDER/below/$images/"
    done
    # Read images before layers: the store writes the layers of an image first.
    split_records "$GRAPHROOT/$images/images.json" | awk -v wanted="^{\"id\":\"($wanted)\"" '$0 ~ wanted' >"$BUILDER/below/images"
    split_records "$GRAPHROOT/$layers/layers.json" | awk '
        function value(key) { return match($0, "\"" key "\":\"[0-9a-f]+\"") ? substr($0, RSTART + length(key) + 4, 64) : "" }
        FILENAME == ARGV[1] { first[++count] = value("layer"); next }
        { line[value("id")] = $0; parent[value("id")] = value("parent") }
        END {
            for (i = 1; i <= count; i++) for (id = first[i]; id in line && !printed[id]++; id = parent[id]) print line[id]
        }' "$BUILDER/below/images" - >"$BUILDER/below/layers"
    for id in images layers; do
        { printf '[' && paste -sd , "$BUILDER/below/$id" && printf ']'; } >"$BUILDER/below/$DRIVER-$id/$id.json"
        : >"$BUILDER/below/$DRIVER-$id/$id.lock"
    done
    while IFS= read -r id; do add_layer "$id"; done < <(sed -E 's/^\{"id":"([0-9a-f]+)".*/\1/' "$BUILDER/below/layers")
}

# add_layer ID: add the layer itself, its short name in the overlay driver, and its tar-split file, which is needed if a new
# layer equals it.
add_layer() {
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

# copy_images_to_builder: list the images that are read in the temporary store, too. A stage that other stages start from is an image,
# which buildah removes at the end together with all layers that no other image of that store uses; removing layers of the store below
# fails.
copy_images_to_builder() {
    mkdir -p "$BUILDER/store"
    cp -R "$BUILDER/below/$DRIVER-images" "$BUILDER/store/"
}

# find_failed_line: print the place of the last step in the log, or of the Containerfile's first line if the log is not clear.
find_failed_line() {
    local steps='^(\[([0-9]+)/[0-9]+\] )?STEP ([0-9]+)/[0-9]+: ([A-Z]+).*' last
    last=$(sed -nE "s,$steps,\\2 \\3 \\4,p" "$PLAN/logs/$IMAGE.log" | tail -n 1)
    LAST=$last FIRST=$SPOT awk -F '\t' '
        BEGIN {
            count = split(ENVIRON["LAST"], step, " ")
            if (count == 2) { step[3] = step[2]; step[2] = step[1]; step[1] = 1 }
        }
        FILENAME == ARGV[1] { place[FNR] = $1; next }
        !/^do containerfile [A-Z]/ { next }
        { split($0, words, " ") }
        words[3] == "FROM" { stage++; number = 0 }
        # buildsys adds an ARG after each FROM.
        { number += number == 1 ? 2 : 1 }
        stage == step[1] && number == step[2] && (words[3] == step[3] || words[3] == "ADD") { found = place[FNR] }
        END { print found == "" ? ENVIRON["FIRST"] : found }' <(print_spots) "$PLAN/keys/$IMAGE"
}

# export_new_layers: copy the layers that the real store lacks to the folder where `normalise` makes an image.
export_new_layers() {
    local RESULT=$SCRATCH/layers blobs=$SCRATCH/layers/blobs/sha256 id layer
    mkdir -p "$blobs"
    # skopeo skips a layer that the destination has; an empty file is enough.
    for id in "${READ_IDS[@]}"; do
        while IFS= read -r layer; do
            [[ -z $layer ]] || : >"$blobs/${layer#sha256:}"
        done < <(buildah inspect --type image --format '{{range .OCIv1.RootFS.DiffIDs}}{{println .}}{{end}}' "$id")
    done
    run_builder skopeo --insecure-policy copy --quiet --dest-oci-accept-uncompressed-layers "$(name_builder_image "@$BUILT")" \
        "oci:$WITHIN/result:new"
    note_zeros "$blobs"
    find "$blobs" -type f -size +0 -exec mv -t "$SCRATCH/normal" {} +
}

# note_zeros FOLDER: print a note about large files in the new layers that hold only zeros, or nearly: such are logs indexed by user id.
# buildah has packed the layers, so unlike those of other images they stay.
note_zeros() {
    local file line size name
    while IFS= read -r -d '' file; do
        while IFS= read -r line; do
            [[ $line =~ ^-[^\ ]+\ +[^\ ]+\ +([0-9]+)\ [^\ ]+\ [^\ ]+\ (.*)$ ]] || continue
            size=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]#./}
            ((size >= 16 * MIB)) || continue
            [[ " ${LOGS_BY_NUMBER[*]/#/var/log/} " == *" $name "* ]] ||
                tar --extract --to-stdout --file "$file" -- "${BASH_REMATCH[2]}" 2>/dev/null | cmp -s -n "$size" - /dev/zero || continue
            printf -v line '%s: note: /%s takes %d MiB in the layer, nearly all of it zeros; empty it in the RUN that writes it' \
                "$IMAGE" "${name//[[:cntrl:]]/?}" "$((size / MIB))"
            printf '%s\n' "$line"
            printf '%s\n' "$line" >&4
        done < <(tar --list --verbose --numeric-owner --quoting-style=escape --file "$file")
    done < <(find "$1" -type f -size +16384k -print0)
}

# name_builder_image NAME: print the name by which skopeo finds an image of the temporary store.
name_builder_image() {
    local option more=''
    for option in "${STORE_OPTIONS[@]}"; do [[ $option != *.imagestore=* ]] || more+=,$option; done
    printf 'containers-storage:[%s@%s+%s:%s.imagestore=%s%s]%s' \
        "$DRIVER" "$WITHIN/store" "$WITHIN/run" "$DRIVER" "$WITHIN/below" "$more" "$1"
}
