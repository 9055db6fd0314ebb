# The work registry, through which several container stores build one set. BS_REGISTRY names it, and a part of its path:
# HOST[:PORT][/PREFIX]. Without BS_REGISTRY nothing sources this file.
#
# All images of a set are in one repository there, each under its key as its tag: a layer is never sent twice, and a registry needs no
# more than the distribution API. A step asks for its key before it builds, and sends what it built. Registries cannot compare and swap
# a tag, so the first image of a key is kept by looking before and after; state/NAME.exchanged has what this plan found: id, key, digest
# and bytes, and children take their parents by that digest.

REPOSITORY=$BS_REGISTRY/$SET
# What skopeo says of a tag or a repository that is not there.
ABSENT='manifest unknown|name unknown|NAME_UNKNOWN|MANIFEST_UNKNOWN|repository name not known|[Nn]ot [Ff]ound|blob unknown|BLOB_UNKNOWN|StatusCode: 404|status code 404'
REFUSED='unauthorized|authentication required|denied|forbidden|UNAUTHORIZED|DENIED|status code 40[13]'
FOUND='' FOUND_ID='' OUTAGE='' EXCHANGED=()

# check_registry: exit 2 unless BS_REGISTRY has the form of a place in a registry, and BS_COMPRESSION is known.
check_registry() {
    [[ $BS_REGISTRY =~ ^[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$ ]] ||
        decline "BS_REGISTRY must be a place in a registry, not $BS_REGISTRY" 'write HOST, HOST:PORT or HOST:PORT/PREFIX, without a scheme or a tag'
    [[ ${BS_COMPRESSION-} == ?(gzip|zstd) ]] || decline "BS_COMPRESSION must be gzip or zstd, not $BS_COMPRESSION" 'empty is gzip'
}

# ask_registry COMMAND WORD…: run a command of skopeo, such as `copy`. Return 1 if the registry lacks what it asks for. A registry that is
# out of reach is asked again for about 45 s; then, or if it refuses, return 75.
ask_registry() {
    local wait complaint=$TMPDIR/registry.$BASHPID options=(--insecure-policy) tries=0 trusted=()
    # Other tools read this variable, skopeo has an option.
    [[ -z ${CONTAINERS_REGISTRIES_CONF-} ]] || options+=(--registries-conf "$CONTAINERS_REGISTRIES_CONF")
    if [[ -n ${BS_CERT_DIR-} ]]; then
        [[ $1 == copy ]] && trusted=(--src-cert-dir "$BS_CERT_DIR" --dest-cert-dir "$BS_CERT_DIR") || trusted=(--cert-dir "$BS_CERT_DIR")
    fi
    for wait in 1 2 4 8 15 15 0; do
        tries=$((tries + 1))
        ! GOMAXPROCS=2 skopeo "${options[@]}" "$1" "${trusted[@]}" "${@:2}" 2>"$complaint" || { rm -f "$complaint" && return 0; }
        # A registry that lacks what it is sent has lost a part of it: then it is sent again.
        if [[ ${*: -1} != docker://* || $1 != copy ]] && grep -Eq "$ABSENT" "$complaint"; then
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

# ask_for_key: after the decision of this step, ask the registry for its key, if this store has no such image. With BS_STAY, the name may
# be that of an image that only the registry has; then there is nothing to rename.
ask_for_key() {
    if [[ $DECISION == renamed && ${BS_STAY-} == 1 ]] && ! is_stored "$ID"; then
        DECISION=stale ID='' SAME_CONTENT='' REASON='this store has no such image'
    fi
    [[ $DECISION != stale ]] || adopt
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
        # Manifests in docker format know no zstd.
        [[ $BS_FORMAT == oci ]] || BS_COMPRESSION=''
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
# whose steps are elsewhere finds them as it finds those of its own store. Images of another storage driver or platform are not listed.
list_exchanged() {
    local tags=$TMPDIR/tags status=0
    ask_registry list-tags "docker://$REPOSITORY" >"$tags" || status=$?
    ((status != 1)) || return 0
    ((status == 0)) || return "$status"
    (cd "$STATE" && find . -maxdepth 1 -name '*.exchanged' -size +0 -printf '%f\n') | awk -v state="$STATE" -v set="$SET" \
        -v prefix="$PREFIX" -v tag="$TAG" -v driver="driver $DRIVER" -v platform="platform $PLATFORM" '
        what == "tags" { if (match($0, /"[0-9a-f]+"/)) there[substr($0, RSTART + 1, RLENGTH - 2)] = 1; next }
        {
            name = substr($0, 1, length($0) - length(".exchanged"))
            file = state "/" $0
            line = ""
            getline line <file
            close(file)
            if (split(line, word, " ") < 3 || !(word[2] in there)) next
            file = state "/" name ".inputs"
            good = 0
            while ((getline line <file) > 0) if (line == platform || index(line " ", driver " ") == 1) good++
            close(file)
            if (good < 2) next
            print word[1], "localhost/buildsys-key/" set "/" name ":" word[2]
            print word[1], prefix name ":" tag
        }' what=tags "$tags" what=records -
}
