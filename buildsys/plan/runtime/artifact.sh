# What travels through the work registry without being an image: the plan, for workers, and the records of a whole set, for clients that
# have none. Both are OCI artifacts in the repository of the images.

# send_plan: put the plan into the registry; state/sent has its digest. Files above 16 KiB are blobs of their own, so that a changed plan
# sends only what is new; `blobs` in the archive names them.
send_plan() {
    local list=$TMPDIR/blobs digest layers=() hash path parts=() part
    begin_layout
    cd "$PLAN" || return
    for part in plan.env graph spots notes unsigned secrets repositories keys steps lib pool context; do [[ ! -e $part ]] || parts+=("$part"); done
    find "${parts[@]}" -type f -size +16k | sort | tr '\n' '\0' | xargs -r -0 sha256sum -- >"$list"
    cut -d ' ' -f 3- "$list" >"$list.names"
    sed 's/^\([0-9a-f]*\) ./\1/; s/^.\{64\}/& /' "$list" >"$list.tar"
    tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX --exclude-from="$list.names" --anchored \
        --no-wildcards -- "${parts[@]}" >"$LAYOUT/plan.tar"
    tar -r --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 --transform='s,.*,blobs,' -f "$LAYOUT/plan.tar" -- "$list.tar" 2>/dev/null
    gzip -n "$LAYOUT/plan.tar"
    add_blob "$LAYOUT/plan.tar.gz"
    while read -r hash path; do
        ln -sf "$PLAN/$path" "$LAYOUT/blobs/sha256/$hash"
        layers+=("$(print_descriptor image.layer.v1.tar+gzip "$hash" "$PLAN/$path")")
    done < <(sort -u -k1,1 "$list.tar")
    end_layout
    if ! ask_registry inspect --raw "docker://$REPOSITORY@sha256:$digest" >/dev/null; then
        ask_registry copy --quiet --preserve-digests "oci:$LAYOUT" "docker://$REPOSITORY:plan-${digest::32}"
    fi
    rm -rf "$LAYOUT"
    printf 'sha256:%s\n' "$digest" >"$STATE/sent"
}

# name_records: set RECORDS_TAG, under which clients with this plan, which want the same images, find the records.
name_records() {
    RECORDS_TAG=$({
        printf '%s\n' "$PREFIX" "$TAG" "${BS_FORMAT:-$FORMAT}" "${BS_EPOCH:-$EPOCH}" "$DRIVER" "$PLATFORM" \
            "${LAYERS-}" "$BS_DATABASE"
        cat "$PLAN/graph"
    } | sha256sum)
    RECORDS_TAG=records-${RECORDS_TAG::32}
}

# send_records: put the records of all images into the registry, after a run of the whole set.
send_records() {
    local digest layers=() names
    name_records
    mapfile -t names < <(cut -d ' ' -f 2 "$PLAN/graph")
    begin_layout
    cd "$PLAN" || return
    list_records_of "${names[@]}" | grep -v '^logs/' >"$TMPDIR/records"
    tar -cz --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 -T "$TMPDIR/records" >"$LAYOUT/records.tar.gz"
    add_blob "$LAYOUT/records.tar.gz"
    end_layout
    ask_registry copy --quiet --preserve-digests "oci:$LAYOUT" "docker://$REPOSITORY:$RECORDS_TAG"
    rm -rf "$LAYOUT"
}

# bring_records GOALS: if this plan knows nothing of some of its goals, take the records of all images from the registry, as far as it has
# them. lib/judge.sh believes them no more than those of an earlier run here: each image must be in the registry, too.
bring_records() {
    local status=0 archive name stamp unknown=()
    while read -r stamp name _; do [[ -e $STATE/$name.$stamp.checked ]] || unknown+=("$name"); done <"$1"
    ((${#unknown[@]})) || return 0
    name_records
    LAYOUT=$TMPDIR/layout
    ask_registry copy --quiet "docker://$REPOSITORY:$RECORDS_TAG" "oci:$LAYOUT:records" || status=$?
    ((status != 1)) || return 0
    ((status == 0)) || return "$status"
    mkdir "$LAYOUT/records"
    for archive in "$LAYOUT"/blobs/sha256/*; do
        [[ $(head -c 2 "$archive" | od -An -tx1) != ' 1f 8b' ]] ||
            tar -xzf "$archive" -C "$LAYOUT/records" --no-same-owner --no-same-permissions
    done
    place_records "$LAYOUT/records" "${unknown[@]}"
    rm -rf "$LAYOUT"
}

# begin_layout: make LAYOUT, an empty OCI layout; the caller collects descriptors in `layers`.
begin_layout() {
    LAYOUT=$TMPDIR/layout
    rm -rf "$LAYOUT"
    mkdir -p "$LAYOUT/blobs/sha256"
}

# end_layout: write the manifest of `layers`, its configuration and the index. Sets the caller's `digest`.
end_layout() {
    local hash config IFS=,
    printf '{"architecture":"%s","os":"%s","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "${PLATFORM#*/}" "${PLATFORM%/*}" \
        "$(printf '%s\n' "${layers[@]}" | sed -E 's/.*"digest":("[^"]*").*/\1/' | paste -sd ,)" >"$LAYOUT/config"
    hash=$(sha256sum <"$LAYOUT/config")
    config=$(print_descriptor image.config.v1+json "${hash%% *}" "$LAYOUT/config")
    mv "$LAYOUT/config" "$LAYOUT/blobs/sha256/${hash%% *}"
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' "$config" "${layers[*]}" \
        >"$LAYOUT/manifest"
    hash=$(sha256sum <"$LAYOUT/manifest")
    digest=${hash%% *}
    printf '{"schemaVersion":2,"manifests":[%s]}' "$(print_descriptor image.manifest.v1+json "$digest" "$LAYOUT/manifest")" >"$LAYOUT/index.json"
    mv "$LAYOUT/manifest" "$LAYOUT/blobs/sha256/$digest"
    printf '{"imageLayoutVersion":"1.0.0"}' >"$LAYOUT/oci-layout"
}

# add_blob FILE: move a file to the blobs of the layout, and add its descriptor to `layers`.
add_blob() {
    local hash
    hash=$(sha256sum <"$1")
    layers+=("$(print_descriptor image.layer.v1.tar+gzip "${hash%% *}" "$1")")
    mv "$1" "$LAYOUT/blobs/sha256/${hash%% *}"
}

# print_descriptor TYPE HASH FILE: print what a manifest says of a blob.
print_descriptor() {
    printf '{"mediaType":"application/vnd.oci.%s","digest":"sha256:%s","size":%d}' "$1" "$2" "$(stat -L -c %s -- "$3")"
}
