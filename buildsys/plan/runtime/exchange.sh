# The work registry, through which several container stores build one set. BS_REGISTRY names it, and a part of its path:
# HOST[:PORT][/PREFIX]. Without BS_REGISTRY nothing sources this file.
#
# All images of a set are in one repository there, each under its key as its tag: a layer is never sent twice, and a registry needs no
# more than the distribution API. A step asks for its key before it builds, and sends what it built. Registries cannot compare and swap
# a tag, so the first image of a key is kept by looking before and after; state/NAME.exchanged has what this plan found: id, key, digest
# and bytes, and children take their parents by that digest.

REPOSITORY=$BS_REGISTRY/$SET
# What skopeo says of a tag or a repository that is not there.
ABSENT='manifest unknown|name unknown|NAME_UNKNOWN|MANIFEST_UNKNOWN|repository name not known|[Nn]ot [Ff]ound|blob unknown|BLOB_UNKNOWN'
REFUSED='unauthorized|authentication required|denied|forbidden|UNAUTHORIZED|DENIED|status code 40[13]'
FOUND='' FOUND_ID='' OUTAGE='' EXCHANGED=()

# check_registry: exit 2 unless BS_REGISTRY has the form of a place in a registry.
check_registry() {
    [[ ! $BS_REGISTRY =~ ^[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$ ]] || return 0
    decline "BS_REGISTRY must be a place in a registry, not $BS_REGISTRY" 'write HOST, HOST:PORT or HOST:PORT/PREFIX, without a scheme or a tag'
}

# ask_registry COMMAND WORD…: run a command of skopeo, such as `copy`. Return 1 if the registry lacks what it asks for. A registry that is
# out of reach is asked again for about 45 s; then, or if it refuses, return 75.
ask_registry() {
    local wait complaint=$TMPDIR/registry.$BASHPID options=(--insecure-policy) tries=0
    # Other tools read this variable, skopeo has an option.
    [[ -z ${CONTAINERS_REGISTRIES_CONF-} ]] || options+=(--registries-conf "$CONTAINERS_REGISTRIES_CONF")
    for wait in 1 2 4 8 15 15 0; do
        tries=$((tries + 1))
        ! GOMAXPROCS=2 skopeo "${options[@]}" "$@" 2>"$complaint" || { rm -f "$complaint" && return 0; }
        if grep -Eq "$ABSENT" "$complaint"; then
            rm -f "$complaint"
            return 1
        fi
        if grep -Eq "$REFUSED" "$complaint"; then break; fi
        ((wait == 0)) || sleep "${BS_PAUSE:-$wait}"
    done
    OUTAGE=yes
    printf 'error: the work registry %s does not do what is asked of it, tried %d times: %s\n' "$BS_REGISTRY" "$tries" \
        "$(tail -n 1 "$complaint" | sed -E 's/^time="[^"]*" level=[a-z]+ msg=//')" >&2
    rm -f "$complaint"
    return 75
}

# find_exchanged KEY: set FOUND, the digest of the image with that key in the registry, and FOUND_ID. Return 1 if it has none.
find_exchanged() {
    local manifest=$SCRATCH/found sum status=0
    FOUND='' FOUND_ID=''
    ask_registry inspect --raw "docker://$REPOSITORY:$1" >"$manifest" || status=$?
    ((status == 0)) || return "$status"
    sum=$(sha256sum <"$manifest")
    [[ $(tr -d '[:space:]' <"$manifest") =~ \"config\":\{[^}]*\"digest\":\"sha256:([0-9a-f]{64})\" ]] || return 1
    FOUND=sha256:${sum%% *} FOUND_ID=${BASH_REMATCH[1]}
}

# adopt: if the registry has an image with the key of this step, take it: set ID, DECISION and REASON. A worker leaves its layers where
# they are; whoever builds for a store of their own gets the image.
adopt() {
    local status=0
    find_exchanged "$KEY" || status=$?
    ((status != 1)) || return 0
    ((status == 0)) || return "$status"
    ID=$FOUND_ID DECISION=fresh REASON='built before: the work registry has it'
    note_exchanged
    [[ ${BS_STAY-} != 1 ]] || return 0
    # A registry may forget layers: then the image is built again.
    bring "$IMAGE" "$ID" "$KEY" "$FOUND" || status=$?
    ((status == 0)) || { ID='' DECISION=stale REASON='the work registry has lost a part of it' && return; }
    lock_image_names "$ID"
    buildah tag "$ID" "$REFERENCE"
    exec {NAMING}>&-
}

# bring_sources: bring what this step reads from images of the set, as far as this store lacks it.
bring_sources() {
    local name id key digest
    for name in "${!READ_IDS[@]}"; do
        ! is_stored "${READ_IDS[$name]}" || continue
        id='' key='' digest=''
        [[ ! -s $STATE/$name.exchanged ]] || read -r id key digest _ <"$STATE/$name.exchanged" || :
        if [[ $id != "${READ_IDS[$name]}" ]]; then
            printf 'error: %s is read by %s, and neither this store nor the work registry has it\n' "$name" "$IMAGE" >&2
            return 75
        fi
        log_event doing "$IMAGE" what bring
        bring "$name" "$id" "$key" "$digest" || {
            printf 'error: the work registry has lost a part of %s\n  hint: build it again: BS_FORCE=1 make %s\n' "$name" "$name" >&2
            return 75
        }
    done
}

# is_stored ID: does the store have the image?
is_stored() { [[ -d $GRAPHROOT/$DRIVER-images/$1 ]] || command buildah "${STORE[@]}" inspect --type image "$1" >/dev/null 2>&1; }

# bring NAME ID KEY DIGEST: copy an image of the registry into the store, under the name of its key. Steps of one store that need the same
# image wait for each other.
bring() {
    local status=0 turn
    exec {turn}>>"$RUNROOT/buildsys.bring.${2::2}"
    flock "$turn"
    if ! is_stored "$2"; then
        ask_registry copy --quiet "docker://$REPOSITORY@$4" "$(name_store_image "localhost/buildsys-key/$SET/$1:$3")" >&2 || status=$?
        if ((status == 0)) && ! is_stored "$2"; then
            printf 'error: the work registry has another image under the digest of %s\n' "$1" >&2
            status=75
        fi
        ((status)) || { ask_registry inspect --raw "docker://$REPOSITORY@$4" >"$SCRATCH/moved" && count_bytes "$SCRATCH/moved" received; }
    fi
    exec {turn}>&-
    return "$status"
}

# offer: send the image that was built. If the registry got another one of this key meanwhile, take that: set ID.
offer() {
    local digest=$SCRATCH/digest
    if [[ $BS_FORCE == 1 ]] || ! found_other; then
        log_event doing "$IMAGE" what send
        ask_registry copy --quiet --digestfile "$digest" ${BS_COMPRESSION:+--dest-compress-format "$BS_COMPRESSION"} \
            "$(name_store_image "@$ID")" "docker://$REPOSITORY:$KEY"
        # Somebody else may have sent one at the same time.
        found_other
        [[ $BS_FORCE != 1 || $FOUND == "$(<"$digest")" ]] || FOUND_ID=$ID
        count_bytes "$SCRATCH/found" sent
    fi
    if [[ $FOUND_ID != "$ID" ]]; then
        printf '%s: note: the work registry has an image of this key already, with other contents; this build takes it\n' "$IMAGE" >&2
        ID=$FOUND_ID
        bring "$IMAGE" "$ID" "$KEY" "$FOUND"
        lock_image_names "$ID"
        buildah tag "$ID" "$KEY_NAME" "$REFERENCE"
        exec {NAMING}>&-
    fi
    note_exchanged
}

# found_other: does the registry have an image of this key? Sets FOUND and FOUND_ID.
found_other() {
    local status=0
    find_exchanged "$KEY" || status=$?
    ((status < 2)) || exit "$status"
    return "$status"
}

# count_bytes MANIFEST sent|received: add the sizes of its layers that this store has not moved before to EXCHANGED.
count_bytes() {
    local known=$RUNROOT/buildsys.moved bytes
    touch "$known"
    bytes=$(tr -d '[:space:]' <"$1" | sed 's/.*"layers":\[//; s/},{/}\n{/g' | awk -v known="$known" '
        BEGIN { while ((getline line <known) > 0) was[line] = 1 }
        match($0, /sha256:[0-9a-f]+/) {
            digest = substr($0, RSTART, RLENGTH)
            if (!match($0, /"size":[0-9]+/) || digest in was) next
            sum += substr($0, RSTART + 7, RLENGTH - 7)
            print digest >>known
        }
        END { printf "%d", sum }')
    EXCHANGED+=("$2" "$bytes")
}

# note_exchanged: remember what the registry has; write_records moves the file to its place.
note_exchanged() { printf '%s %s %s\n' "$ID" "$KEY" "$FOUND" >"$SCRATCH/exchanged"; }

# describe_exchange: set MOVED, what a result says of the exchange: the image in the registry, the worker, the bytes that were moved.
describe_exchange() {
    local i sent=0 received=0
    MOVED=''
    [[ -n $FOUND ]] || return 0
    for ((i = 0; i < ${#EXCHANGED[@]}; i += 2)); do
        if [[ ${EXCHANGED[i]} == sent ]]; then sent=$((sent + EXCHANGED[i + 1])); else received=$((received + EXCHANGED[i + 1])); fi
    done
    quote_json "$REPOSITORY@$FOUND"
    MOVED=", \"registry\": $JSON"
    quote_json "${BS_WORKER:-$HOSTNAME}"
    MOVED+=", \"worker\": $JSON, \"sent\": $sent, \"received\": $received"
}

# list_exchanged: print the ids and names of images that the registry has and this plan knows of, as list_store does for the store: a run
# whose steps are elsewhere finds them as it finds those of its own store.
list_exchanged() {
    local tags=$TMPDIR/tags status=0
    ask_registry list-tags "docker://$REPOSITORY" >"$tags" || status=$?
    ((status != 1)) || return 0
    ((status == 0)) || return "$status"
    (cd "$STATE" && find . -maxdepth 1 -name '*.exchanged' -size +0 -printf '%f\n') | awk -v state="$STATE" -v set="$SET" \
        -v prefix="$PREFIX" -v tag="$TAG" '
        what == "tags" { if (match($0, /"[0-9a-f]+"/)) there[substr($0, RSTART + 1, RLENGTH - 2)] = 1; next }
        {
            name = substr($0, 1, length($0) - length(".exchanged"))
            file = state "/" $0
            line = ""
            getline line <file
            close(file)
            if (split(line, word, " ") < 3 || !(word[2] in there)) next
            print word[1], "localhost/buildsys-key/" set "/" name ":" word[2]
            print word[1], prefix name ":" tag
        }' what=tags "$tags" what=records -
}

# send_plan: put the plan into the registry, for workers elsewhere; state/sent has its digest. Files above 16 KiB are blobs of their own,
# so that a changed plan sends only what is new; `blobs` in the archive names them.
send_plan() {
    local layout=$TMPDIR/layout list=$TMPDIR/blobs digest layers=() hash path
    mkdir -p "$layout/blobs/sha256"
    cd "$PLAN" || return
    local parts=() part
    for part in plan.env graph spots notes unsigned secrets repositories keys steps lib pool context; do [[ ! -e $part ]] || parts+=("$part"); done
    find "${parts[@]}" -type f -size +16k | sort | tr '\n' '\0' | xargs -r -0 sha256sum -- >"$list"
    cut -d ' ' -f 3- "$list" >"$list.names"
    sed 's/^\([0-9a-f]*\) ./\1/; s/^.\{64\}/& /' "$list" >"$list.tar"
    tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX --exclude-from="$list.names" --anchored \
        --no-wildcards -- "${parts[@]}" >"$layout/plan.tar"
    tar -r --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 --transform='s,.*,blobs,' -f "$layout/plan.tar" -- "$list.tar" 2>/dev/null
    gzip -n "$layout/plan.tar"
    add_blob "$layout/plan.tar.gz"
    while read -r hash path; do
        ln -sf "$PLAN/$path" "$layout/blobs/sha256/$hash"
        layers+=("$(print_descriptor image.layer.v1.tar+gzip "$hash" "$PLAN/$path")")
    done < <(sort -u -k1,1 "$list.tar")
    IFS=,
    printf '{"architecture":"%s","os":"%s","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "${PLATFORM#*/}" "${PLATFORM%/*}" \
        "$(printf '%s\n' "${layers[@]}" | sed -E 's/.*"digest":("[^"]*").*/\1/' | paste -sd ,)" >"$layout/config"
    local config
    hash=$(sha256sum <"$layout/config")
    config=$(print_descriptor image.config.v1+json "${hash%% *}" "$layout/config")
    mv "$layout/config" "$layout/blobs/sha256/${hash%% *}"
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' "$config" "${layers[*]}" \
        >"$layout/manifest"
    unset IFS
    hash=$(sha256sum <"$layout/manifest")
    digest=${hash%% *}
    printf '{"schemaVersion":2,"manifests":[%s]}' "$(print_descriptor image.manifest.v1+json "$digest" "$layout/manifest")" >"$layout/index.json"
    mv "$layout/manifest" "$layout/blobs/sha256/$digest"
    printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
    if ! ask_registry inspect --raw "docker://$REPOSITORY@sha256:$digest" >/dev/null; then
        ask_registry copy --quiet --preserve-digests "oci:$layout" "docker://$REPOSITORY:plan-${digest::32}"
    fi
    rm -rf "$layout"
    printf 'sha256:%s\n' "$digest" >"$STATE/sent"
}

# add_blob FILE: move a file to the blobs of the layout, and add its descriptor to the layers.
add_blob() {
    local hash
    hash=$(sha256sum <"$1")
    layers+=("$(print_descriptor image.layer.v1.tar+gzip "${hash%% *}" "$1")")
    mv "$1" "$layout/blobs/sha256/${hash%% *}"
}

# print_descriptor TYPE HASH FILE: print what a manifest says of a blob.
print_descriptor() {
    printf '{"mediaType":"application/vnd.oci.%s","digest":"sha256:%s","size":%d}' "$1" "$2" "$(stat -L -c %s -- "$3")"
}
