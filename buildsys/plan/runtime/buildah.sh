# The abilities of this machine's buildah, found by trying it, not by its version.

# set_once_options EPOCH: set ONCE, the options of `buildah commit` (since 1.41) that leave nothing volatile in an image.
set_once_options() {
    local base=org.opencontainers.image.base
    ONCE=(--source-date-epoch "$1" --rewrite-timestamp --created-annotation=false
        --unsetannotation "$base.name" --unsetannotation "$base.digest")
}

# ask_buildah: set COMMITS, whether an image takes one commit or two (once | twice: lib/commit.sh), and LAYERS, the digest of a
# small layer. Versions that pack layers differently give other image ids, so the digest is part of the build key. The answer is kept
# in the store's run directory, and is valid while the program is the same file.
ask_buildah() {
    local program was asking known=$RUNROOT/buildsys.asked
    if [[ -z ${BS_BUILDAH_IS-} ]]; then
        program=$(stat -L -c '%n %i %s %.Y' "$(type -P buildah)")
        COMMITS='' LAYERS=''
        [[ ! -s $known ]] || { read -r COMMITS LAYERS was && [[ $was == "$program" ]]; } <"$known" || COMMITS=''
        if [[ -z $COMMITS ]]; then
            # Under the lock, remaining folders belong to killed processes.
            exec {asking}>>"$RUNROOT/buildsys.asking"
            flock "$asking"
            rm -rf "$RUNROOT"/buildsys.asking.*
            read -r COMMITS LAYERS <<<"$(pack_a_tree)" || :
            exec {asking}>&-
            # Without an answer, ask again in the next run.
            if [[ -n $LAYERS ]]; then
                printf '%s %s %s\n' "$COMMITS" "$LAYERS" "$program" >"$known.$$"
                mv -f "$known.$$" "$known"
            fi
        fi
        BS_BUILDAH_IS="${COMMITS:-twice} ${LAYERS:-unknown}"
        export BS_BUILDAH_IS
    fi
    read -r COMMITS LAYERS <<<"$BS_BUILDAH_IS"
    # For tests: act like an older buildah.
    [[ ${BS_COMMIT-} != twice ]] || COMMITS=twice
}

# pack_a_tree: commit a constant tree in a temporary store; print once or twice, and the digest of the layer.
pack_a_tree() {
    local place
    place=$(mktemp -d "$RUNROOT/buildsys.asking.XXXXXX") || return
    # shellcheck disable=SC2064 # expand now
    trap "$(printf 'rm -rf %q' "$place")" EXIT
    commit_tree "$place" 2>/dev/null || :
}

commit_tree() {
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
    set_once_options 2
    if ! "${commit[@]}" "${ONCE[@]}" "$container" "dir:$1/image"; then
        commits=twice
        "${commit[@]}" "$container" "dir:$1/image" || return
    fi >&2
    [[ $(<"$1/image/manifest.json") =~ \"layers\":\[\{[^]]*\"digest\":\"sha256:([0-9a-f]{12}) ]] || return
    printf '%s %s\n' "$commits" "${BASH_REMATCH[1]}"
}
