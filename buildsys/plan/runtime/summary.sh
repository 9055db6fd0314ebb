# The end of a run: its summary, or the full disk that stopped it.

SUMMED=''

# end_run STATUS: the exit trap: if the run ended before its summary, report a full disk. Removes the run's temporary files.
end_run() {
    local disk=''
    if [[ $1 == 1 && -z $SUMMED ]] && disk=$(full_disk '' "$STATE" "$PLAN" "${GRAPHROOT:-$PLAN}" "${RUNROOT:-$PLAN}"); then
        printf 'error: %s\n  hint: free some space; the next run goes on from here\n' "$disk" >&2
    fi
    [[ ${TMPDIR-} != "$STATE/scratch.run.$$" ]] || rm -rf "$TMPDIR"
}

# print_summary GOALS: print which images were built, which failed and where, and which were blocked. Sets status if an image failed.
print_summary() {
    local all images=images name line built=0 fresh=0 failed=() killed=() missing=()
    local -A ends=()
    while read -r name; do ends[$name]=fresh; done <"$STATE/fresh"
    while IFS= read -r line; do
        # A full disk may leave half a line, followed by the next line.
        line=${line##*\{\"image\": \"}
        name=${line%%\"*} line=${line#*\"status\": \"}
        [[ -z $name || $line != *\"* ]] || ends[$name]=${line%%\"*}
    done <"$PLAN/events.jsonl"
    while read -r _ name _; do
        case ${ends[$name]-} in
            built) built=$((built + 1)) ;;
            fresh) fresh=$((fresh + 1)) ;;
            failed) failed+=("$name") ;;
            *) if [[ $status != 130 && -e $STATE/working.$name ]]; then killed+=("$name"); else missing+=("$name"); fi ;;
        esac
    done <"$1"
    for name in "${failed[@]}"; do
        printf '\n%s failed at %s\n' "$name" "$(sed -nE 's/.*"at": "([^"]*)".*/\1/p' "$PLAN/results/$name.json")"
        [[ -s $PLAN/logs/$name.log ]] || continue
        tail -n 20 "$PLAN/logs/$name.log" | sed 's/^/    /'
        printf '    (all of it: %s)\n' "$PLAN/logs/$name.log"
    done
    for name in "${killed[@]}"; do printf '\n%s was killed while it was built\n' "$name"; done
    failed+=("${killed[@]}")
    if ((${#failed[@]})); then
        ((status)) || status=1
        ((${#missing[@]} == 0)) || printf '\nblocked by that: %s\n' "${missing[*]}"
        printf '\n'
    fi
    all=$(wc -l <"$1")
    ((all != 1)) || images=image
    printf '%s: %d %s: %d built, %d fresh' "$SET" "$all" "$images" "$built" "$fresh"
    ((${#failed[@]} == 0)) || printf ', %d failed' "${#failed[@]}"
    ((${#missing[@]} == 0)) || printf ', %d %s' "${#missing[@]}" "$( ((${#failed[@]})) && echo blocked || echo 'not reached')"
    printf '\n'
    [[ ! -s $PLAN/notes ]] || sed 's/^/note: /' "$PLAN/notes"
} >&2
