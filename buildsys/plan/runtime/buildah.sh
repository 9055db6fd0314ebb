# What the buildah of this machine does, asked of it and not of its version.

# once_options EPOCH: sets ONCE, the options of `buildah commit` (1.41 has them) that leave nothing volatile in an image.
once_options() {
    local base=org.opencontainers.image.base
    ONCE=(--source-date-epoch "$1" --rewrite-timestamp --created-annotation=false
        --unsetannotation "$base.name" --unsetannotation "$base.digest")
}

# ask_buildah: sets COMMITS, how many images it takes to get one (once | twice: lib/commit.sh), and LAYERS, the digest of
# a small tree as this buildah packs it. Versions that pack a layer in another way give other ids: the key names it.
# The answer holds as long as the program is the same file, in this directory of a running store.
ask_buildah() {
    local program was asking known=$RUNROOT/buildsys.asked
    if [[ -z ${BS_BUILDAH_IS-} ]]; then
        program=$(stat -L -c '%n %i %s %.Y' "$(type -P buildah)")
        COMMITS='' LAYERS=''
        [[ ! -s $known ]] || { read -r COMMITS LAYERS was && [[ $was == "$program" ]]; } <"$known" || COMMITS=''
        if [[ -z $COMMITS ]]; then
            # One at a time: what a killed one left is seen to be nobody's.
            exec {asking}>>"$RUNROOT/buildsys.asking"
            flock "$asking"
            rm -rf "$RUNROOT"/buildsys.asking.*
            read -r COMMITS LAYERS <<<"$(pack_a_tree)" || :
            exec {asking}>&-
            # One that cannot answer now is asked again in the next run.
            if [[ -n $LAYERS ]]; then
                printf '%s %s %s\n' "$COMMITS" "$LAYERS" "$program" >"$known.$$"
                mv -f "$known.$$" "$known"
            fi
        fi
        BS_BUILDAH_IS="${COMMITS:-twice} ${LAYERS:-unknown}"
        export BS_BUILDAH_IS
    fi
    read -r COMMITS LAYERS <<<"$BS_BUILDAH_IS"
    # For tests: as an older buildah would.
    [[ ${BS_COMMIT-} != twice ]] || COMMITS=twice
}

# pack_a_tree: commits a tree that is always the same, in a store of its own; prints once or twice, and the layer's digest.
pack_a_tree() {
    local place
    place=$(mktemp -d "$RUNROOT/buildsys.asking.XXXXXX") || return
    # shellcheck disable=SC2064 # now
    trap "$(printf 'rm -rf %q' "$place")" EXIT
    pack_below "$place" 2>/dev/null || :
}

pack_below() {
    local container root commits=once buildah=(command buildah --storage-driver vfs --root "$1/root" --runroot "$1/run")
    local commit=("${buildah[@]}" commit --quiet --format oci --omit-history --identity-label=false)
    container=$("${buildah[@]}" from --quiet scratch) && root=$("${buildah[@]}" mount "$container") || return
    mkdir -p "$root/directory" && cd "$root" || return
    echo text >directory/file
    ln directory/file hard
    ln -s directory/file link
    echo text >"$(printf '%0128d' 0)"
    chmod 755 . directory && chmod 644 0* && chmod 4755 hard
    touch -h -d @1 directory/file link 0* && touch -d @1 directory .
    once_options 2
    if ! "${commit[@]}" "${ONCE[@]}" "$container" "dir:$1/image"; then
        commits=twice
        "${commit[@]}" "$container" "dir:$1/image" || return
    fi >&2
    [[ $(<"$1/image/manifest.json") =~ \"layers\":\[\{[^]]*\"digest\":\"sha256:([0-9a-f]{12}) ]] || return
    printf '%s %s\n' "$commits" "${BASH_REMATCH[1]}"
}
