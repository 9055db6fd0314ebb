# An image built by its Containerfile, in a store of its own above the one it is for: whatever a builder leaves behind,
# interrupted or not, goes with that store's folder. Only the finished image comes over, and of it only what is new.

WITH_IMAGES=() HELD=''

# with_file MODE HASH PATH, with_folder PATH, with_link TARGET PATH: what the build gets to see beside the Containerfile.
with_file() {
    local to=$SCRATCH/context/$3
    mkdir -p "${to%/*}"
    cp --reflink=auto "$PLAN/context/$2" "$to"
    chmod "$1" "$to"
}

with_folder() { mkdir -p "$SCRATCH/context/$1"; }

with_link() {
    local to=$SCRATCH/context/$2
    mkdir -p "${to%/*}"
    ln -s "$1" "$to"
}

# with_image NAME IMAGE: what FROM, COPY --from and RUN --mount mean by that name, which no stage has.
with_image() { WITH_IMAGES+=(--build-context "$1=container-image://${READ_IDS[$2]}"); }

# containerfile HASH [online] [dated] OPTIONS…: build by that Containerfile, without network unless `online`; OPTIONS are
# of `buildah build`. Sets HELD, the store that has the image, and BUILT, its id.
containerfile() {
    local file=$PLAN/context/$1 private=(--net) options=(--http-proxy=false --no-hosts --dns none)
    shift
    RUNNING=yes
    if [[ ${1-} == online ]]; then
        shift
        # What comes from elsewhere may stay away for reasons of its own, and come the next time.
        private=() options=() RUNNING=''
    fi
    if [[ ${1-} == dated ]]; then
        shift
        options+=(--build-arg SOURCE_DATE_EPOCH="$BS_EPOCH")
    fi
    mkdir -p "$SCRATCH/context"
    HELD=$SCRATCH/store
    lay_below
    # Here its temporary files are swept away as well.
    TMPDIR=$SCRATCH apart "${private[@]}" buildah "${STORE[@]}" --root "$HELD" --runroot "$SCRATCH/run" \
        --storage-driver "$DRIVER" --storage-opt "$DRIVER.imagestore=$SCRATCH/below" \
        build --isolation "${BS_ISOLATION:-chroot}" --network host "${options[@]}" --pull=never --layers=false \
        --format "$BS_FORMAT" --timestamp "$BS_EPOCH" --omit-history --identity-label=false \
        --iidfile "$SCRATCH/id" "${WITH_IMAGES[@]}" --file "$file" "$@" "$SCRATCH/context" || {
        local status=$?
        at "$(failed_line)"
        return "$status"
    }
    RUNNING=''
    read -r BUILT <"$SCRATCH/id" || :
    BUILT=${BUILT#sha256:}
    bring_layers
}

# lay_below: the store that the build's own lies above. Its layers are the real ones; its records are a copy, of the images that
# are read and of no other. Who reads those of a store while others write them takes its locks in another order than
# they do, and all wait for ever; and what else is listed there may go any time.
lay_below() {
    local id wanted=none images=$DRIVER-images layers=$DRIVER-layers
    mkdir -p "$SCRATCH/below/$images" "$SCRATCH/below/$layers"
    for id in "${READ_IDS[@]}"; do
        [[ $wanted != *"$id"* ]] || continue
        wanted+="|$id"
        cp -R "$GRAPHROOT/$images/$id" "$SCRATCH/below/$images/"
    done
    # Images first: the layers of each image were written before it.
    records "$GRAPHROOT/$images/images.json" | awk -v wanted="^{\"id\":\"($wanted)\"" '$0 ~ wanted' >"$SCRATCH/below/images"
    records "$GRAPHROOT/$layers/layers.json" | awk '
        function said(key) { return match($0, "\"" key "\":\"[0-9a-f]+\"") ? substr($0, RSTART + length(key) + 4, 64) : "" }
        FILENAME == ARGV[1] { first[++count] = said("layer"); next }
        { line[said("id")] = $0; parent[said("id")] = said("parent") }
        END {
            for (i = 1; i <= count; i++) for (id = first[i]; id in line && !told[id]++; id = parent[id]) print line[id]
        }' "$SCRATCH/below/images" - >"$SCRATCH/below/layers"
    for id in images layers; do
        { printf '[' && paste -sd , "$SCRATCH/below/$id" && printf ']'; } >"$SCRATCH/below/$DRIVER-$id/$id.json"
        : >"$SCRATCH/below/$DRIVER-$id/$id.lock"
    done
    while IFS= read -r id; do lay_layer "$id"; done < <(sed -E 's/^\{"id":"([0-9a-f]+)".*/\1/' "$SCRATCH/below/layers")
}

# lay_layer ID: the layer itself, the short name that the overlay driver gives it, and how its bytes were packed: a new layer
# may be equal to it.
lay_layer() {
    local real=$GRAPHROOT/$DRIVER below=$SCRATCH/below/$DRIVER name
    if [[ -d $real/dir ]]; then
        real=$real/dir below=$below/dir
    fi
    mkdir -p "$below/$1" "$below/l"
    LENT+=("$real/$1" "$below/$1")
    if [[ -s $real/$1/link ]]; then
        name=$(<"$real/$1/link")
        ln -s "../$1/diff" "$below/l/$name"
    fi
    ln -s "$GRAPHROOT/$DRIVER-layers/$1.tar-split.gz" "$SCRATCH/below/$DRIVER-layers/"
}

# apart [--net] COMMAND…: in namespaces in which the layers lie where they are lent, and the real store cannot be written to.
apart() {
    local net=()
    if [[ $1 == --net ]]; then
        net=(--net)
        shift
    fi
    # shellcheck disable=SC2016 # for the shell inside
    namespace "${net[@]}" bash -euc 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; count=$2; shift 2
        for ((; count; count--)); do mount --bind "$1" "$2"; shift 2; done
        exec "$@"' bash "$GRAPHROOT" $((${#LENT[@]} / 2)) "${LENT[@]}" "$@"
}
LENT=()

# records FILE: of a store, a line each. A store that never had any has no such file.
records() { [[ ! -e $1 ]] || sed -E 's/^\[//; s/\]$//; s/\},\{"id":"/}\n{"id":"/g' "$1"; }

# failed_line: where the step was written that the log ends in; the Containerfile's first line when that is not clear.
failed_line() {
    local steps='^(\[([0-9]+)/[0-9]+\] )?STEP ([0-9]+)/[0-9]+: ([A-Z]+).*' last
    last=$(sed -nE "s,$steps,\\2 \\3 \\4,p" "$PLAN/logs/$IMAGE.log" | tail -n 1)
    instructions "$PLAN/keys/$IMAGE" <(spots) | LAST=$last FIRST=$SPOT awk -F '\t' '
        BEGIN {
            count = split(ENVIRON["LAST"], step, " ")
            if (count == 2) { step[3] = step[2]; step[2] = step[1]; step[1] = 1 }
        }
        $1 !~ /^do containerfile [A-Z]/ { next }
        { split($1, said, " ") }
        said[3] == "FROM" { stage++; number = 0 }
        { number++ }
        stage == step[1] && number == step[2] && said[3] == step[3] { found = $2 }
        END { print found == "" ? ENVIRON["FIRST"] : found }'
}

# bring_layers: the layers that the real store does not have, beside the files that `normalise` makes an image of.
bring_layers() {
    local blobs=$SCRATCH/layers/blobs/sha256 layer
    mkdir -p "$blobs"
    stored "$BUILT" '=c2hhMjU2O*' --config
    while IFS= read -r layer; do
        # An empty file keeps a layer from being read: it is taken to be there already.
        ! grep -Fq "\"diff-digest\":\"$layer\"" "$GRAPHROOT/$DRIVER-layers/layers.json" || : >"$blobs/${layer#sha256:}"
    done < <(grep -o '"diff_ids":\[[^]]*\]' "$KEPT" | grep -o 'sha256:[0-9a-f]*')
    apart skopeo --insecure-policy copy --quiet --dest-oci-accept-uncompressed-layers \
        "$(held "@$BUILT")" "oci:$SCRATCH/layers:new"
    find "$blobs" -type f -size +0 -exec mv -t "$SCRATCH/normal" {} +
}

# held NAME: the way skopeo names an image of the store of this build.
held() { printf 'containers-storage:[%s@%s+%s:%s.imagestore=%s]%s' "$DRIVER" "$HELD" "$SCRATCH/run" "$DRIVER" "$SCRATCH/below" "$1"; }
