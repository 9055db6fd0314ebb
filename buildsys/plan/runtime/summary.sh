# The end of a run: its summary, or the full disk that stopped it.

SUMMED='' RECORDED='' COUNTS=()

# begin_record GOAL…: begin events.jsonl with a new file, which front ends recognise by BS_RUN. The last run's file stays as
# events.1.jsonl.
begin_record() {
    rm -rf "$PLAN/events.1.jsonl"
    [[ ! -s $PLAN/events.jsonl ]] || mv -f "$PLAN/events.jsonl" "$PLAN/events.1.jsonl"
    rm -rf "$PLAN/events.jsonl"
    log_event run '' version 2 run "${BS_RUN-}" set "$SET" goals "$*" process "$$"
    RECORDED=yes
}

# record_plan GOALS JOBS: record the images of this run, those that are known to be fresh, and how many are built at the same time
# (0: unknown). No other process appends yet, so the line may be long.
record_plan() {
    local images fresh
    read_clock
    images=$(awk '{ printf "%s\"%s\"", NR == 1 ? "" : ", ", $2 }' "$1")
    fresh=$(awk '{ printf "%s\"%s\"", NR == 1 ? "" : ", ", $1 }' "$STATE/fresh")
    printf '{"time": %s, "event": "planned", "images": [%s], "fresh": [%s], "jobs": %d}\n' "$NOW" "$images" "$fresh" "$2" \
        >>"$PLAN/events.jsonl"
}

# end_run STATUS: the exit trap: if the run ended before its summary, report a full disk. Records the end, and removes the run's temporary
# files.
end_run() {
    local disk=''
    [[ -z $RECORDED ]] || log_event ended '' status "$1" ${COUNTS[@]+"${COUNTS[@]}"} || :
    if [[ $1 == 1 && -z $SUMMED ]] && disk=$(full_disk '' "$STATE" "$PLAN" "${GRAPHROOT:-$PLAN}" "${RUNROOT:-$PLAN}"); then
        printf 'error: %s\n  hint: free some space; the next run goes on from here\n' "$disk" >&2
    fi
    [[ ${TMPDIR-} != "$STATE/scratch.run.$$" ]] || rm -rf "$TMPDIR"
}

# print_summary GOALS: print which images were built, which failed and where, and which were blocked. Sets status if an image failed.
print_summary() {
    local all images=images name end by built=0 fresh=0 failed=() killed=() missing=() blocked=() unreached=() some=()
    local -A ends=()
    while read -r name; do ends[$name]=fresh; done <"$STATE/fresh"
    # A full disk may leave half a line, followed by the next line.
    while read -r end name; do ends[$name]=$end; done < <(sed -nE \
        's/^.*\{"time": [0-9.]+, "event": "(built|fresh|failed)", "image": "([^"]+)",.*\}$/\1 \2/p' "$PLAN/events.jsonl")
    while read -r _ name _; do
        case ${ends[$name]-} in
            built) built=$((built + 1)) ;;
            fresh) fresh=$((fresh + 1)) ;;
            failed) failed+=("$name") ;;
            *) if [[ $status != 130 && -e $STATE/working.$name ]]; then killed+=("$name"); else missing+=("$name"); fi ;;
        esac
    done <"$1"
    for name in "${killed[@]}"; do
        printf '\n%s was killed while it was built\n' "$name"
        log_event failed "$name" reason 'killed while it was built' at '' log "logs/$name.log" || :
    done
    failed+=("${killed[@]}")
    if ((${#failed[@]})); then
        ((status)) || status=1
        # Each step has reported its failure when it happened.
        printf '\nfailed: %s\n' "${failed[*]}"
        while read -r name by; do
            if [[ -n $by ]]; then
                blocked+=("$name")
                log_event blocked "$name" by "$by" || :
            else
                unreached+=("$name")
            fi
        done < <(list_causes "$1" "${failed[*]}" "${missing[*]}")
        ((${#blocked[@]} <= 12)) || some=("${blocked[@]:0:10}" "… and $((${#blocked[@]} - 10)) more")
        ((${#blocked[@]} == 0)) || printf 'blocked by that: %s\n' "${some[*]-${blocked[*]}}"
    else
        unreached=("${missing[@]}")
    fi
    all=$(wc -l <"$1")
    COUNTS=(built "$built" fresh "$fresh" failed "${#failed[@]}" blocked "${#blocked[@]}" unreached "${#unreached[@]}")
    [[ ${BS_SHOW-} != failures ]] || ((status)) || return 0
    ((all != 1)) || images=image
    printf '%s: %d %s: %d built, %d fresh' "$SET" "$all" "$images" "$built" "$fresh"
    ((${#failed[@]} == 0)) || printf ', %d failed' "${#failed[@]}"
    ((${#blocked[@]} == 0)) || printf ', %d blocked' "${#blocked[@]}"
    ((${#unreached[@]} == 0)) || printf ', %d not reached' "${#unreached[@]}"
    printf '\n'
    [[ ! -s $PLAN/notes ]] || sed 's/^/note: /' "$PLAN/notes"
} >&2

# list_causes GOALS FAILED MISSING: print each missing image, followed by the failed ones that it is built from, directly or not.
list_causes() {
    awk -v failed="$2" -v missing="$3" '
        BEGIN {
            n = split(failed, f, " "); for (i = 1; i <= n; i++) causes[f[i]] = f[i]
            n = split(missing, m, " "); for (i = 1; i <= n; i++) is_missing[m[i]] = 1
        }
        $2 in is_missing {
            text = ""
            for (i = 3; i <= NF; i++) {
                n = split(causes[$i], c, " ")
                for (j = 1; j <= n; j++) if (index(" " text " ", " " c[j] " ") == 0) text = text (text == "" ? "" : " ") c[j]
            }
            causes[$2] = text
            print $2, text
        }' "$1"
}
