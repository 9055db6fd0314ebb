#!/bin/bash
# launch.sh STEP: run a step on another machine. BS_ON, with shell quotes, is the command that runs another one there and passes on its
# stdin, output and status: "srun -Q -n1", "ssh builder2". make runs this in place of the step; lib/run.sh has sent the plan to the work
# registry, which carries all images.
set -euo pipefail
PLAN=$(CDPATH='' cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
LIB=$PLAN/lib
STATE=$PLAN/state
# The run keeps what make itself prints, and passes on its own stderr for the steps.
if [[ -n ${BS_ERRORS-} && -e /dev/fd/$BS_ERRORS ]]; then exec 2>&"$BS_ERRORS" {BS_ERRORS}>&-; fi
# shellcheck source=/dev/null
. "$LIB/surroundings.sh"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
for room in log store; do
    # shellcheck source=/dev/null
    . "$LIB/$room.sh"
done
IMAGE=${1##*/}
IMAGE=${IMAGE%.sh}
REFERENCE=$PREFIX$IMAGE:$TAG
BS_RESULT=$PLAN/results/$IMAGE.json
MARK=$'\x1e' STAGED='' OTHER='' STATUS='' WORKER='' ENDED=''
# So often an attempt may fail for reasons that are not the recipe's; twice a machine may be lost during one.
MOST=4 MOST_LOST=2

main() {
    local attempt lost=0 wait=${BS_PAUSE:-2}
    split_words "$BS_ON" || decline 'BS_ON has unbalanced quotes, or ends with a backslash' "BS_ON=$BS_ON"
    read_clock
    BEGAN=$NOW
    STAGED=$STATE/scratch.launch.$IMAGE.$$
    trap 'rm -rf "$STAGED"' EXIT
    trap 'trap "" INT TERM HUP; stop_other; exit 130' INT TERM HUP
    for ((attempt = 1; attempt <= MOST; attempt++)); do
        rm -rf "$STAGED"
        mkdir -p "$STAGED"
        try "$attempt"
        case $STATUS in
            0)
                take_records
                print_status
                return
                ;;
            75) printf '%s: attempt %d on %s failed for a reason that is not the recipe%ss; it is tried again\n' "$IMAGE" "$attempt" "$WORKER" \' >&2 ;;
            '')
                # No answer came: the machine, its connection or its scheduler is gone; or it never began.
                ((ENDED != 78)) || exit 78
                lost=$((lost + 1))
                ((lost < MOST_LOST)) || break
                printf '%s: its worker was lost (status %s); it is tried elsewhere\n' "$IMAGE" "$ENDED" >&2
                ;;
            *)
                take_records
                exit "$STATUS"
                ;;
        esac
        sleep "$wait"
        wait=$((wait * 2))
    done
    [[ -n $STATUS ]] || printf '%s: error: its worker was lost %d times while it was built (status %s); it is not tried again\n' \
        "$IMAGE" "$lost" "$ENDED" >&2
    [[ -n $STATUS ]] || log_event failed "$IMAGE" reason 'its worker was lost twice' at ''
    exit 75
}

# try ATTEMPT: one attempt. Sets STATUS, of the step, empty without an answer; WORKER; and ENDED, the status of BS_ON.
try() {
    local line taking=''
    STATUS='' WORKER='' ENDED=''
    exec {ANSWER}< <(
        trap - INT TERM HUP
        # What was found of this machine says nothing of another one.
        exec 5< <(print_request "$1")
        unset TMPDIR MAKEFLAGS MFLAGS MAKELEVEL "${!BS_@}"
        setpriv --pdeathsig TERM "${WORDS[@]}" bash -s <&5 5<&- && ENDED=0 || ENDED=$?
        printf '%sleft %d\n' "$MARK" "$ENDED"
    )
    OTHER=$!
    while IFS= read -r -u "$ANSWER" line; do
        case $line in
            "${MARK}records "*)
                read -r _ STATUS WORKER <<<"$line"
                taking=yes
                ;;
            "${MARK}end")
                taking=whole
                ;;
            "${MARK}left "*) ENDED=${line##* } ;;
            *)
                if [[ -n $taking ]]; then
                    printf '%s\n' "$line" >&"$RECORDS"
                elif [[ $line == '{"time": '* ]]; then
                    printf '%s\n' "$line" >>"$PLAN/events.jsonl"
                else
                    printf '%s\n' "$line"
                fi
                ;;
        esac
    done {RECORDS}>"$STAGED/records"
    exec {ANSWER}<&- {RECORDS}>&-
    OTHER=''
    # An answer that was cut off is none.
    [[ $taking == whole ]] || STATUS=''
}

# print_request ATTEMPT: the text that `bash -s` reads: the program, the values, and the records of what the step reads.
print_request() {
    local name files=()
    cat "$LIB/deliver.sh"
    printf '%s\n' "BS_REGISTRY=$BS_REGISTRY" "SET=$SET" "IMAGE=$IMAGE" "PLAN_DIGEST=$(<"$STATE/sent")" "BS_ATTEMPT=$1.$BEGAN" \
        "BS_FORMAT=${BS_FORMAT-$FORMAT}" "BS_EPOCH=${BS_EPOCH-$EPOCH}" "BS_FORCE=${BS_FORCE-}" "BS_ALL=${BS_ALL-}" \
        "BS_COMPRESSION=${BS_COMPRESSION-}" "BS_CLIENT=$BS_CLIENT" ''
    cd "$STATE"
    while IFS= read -r name; do
        files+=("$name".id "$name".exchanged "$name".given)
    done < <(awk -v name="$IMAGE" '$2 == name { for (i = 3; i <= NF; i++) print $i }' "$PLAN/graph")
    files+=("$IMAGE".{id,inputs,spots,keys,given,contents,exchanged,seconds} repositories)
    for name in "${!files[@]}"; do [[ -f ${files[name]} ]] || unset "files[$name]"; done
    tar -cz --owner=0 --group=0 --numeric-owner -- "${files[@]}" | base64
}

# take_records: put what the worker gave back at its place, the stamp last, as a step here does. Other names are not taken.
take_records() {
    local files=() file stamps=()
    [[ -s $STAGED/records ]] || return 0
    mkdir "$STAGED/new"
    base64 -d <"$STAGED/records" | tar -xz -C "$STAGED/new" --no-same-owner
    cd "$STAGED/new"
    for file in results/"$IMAGE".json logs/"$IMAGE".log; do
        [[ ! -f $file || -L $file ]] || mv -f "$file" "$PLAN/$file"
    done
    [[ -d state ]] || return 0
    cd state
    if [[ -s $IMAGE.id ]] && ! cmp -s "$IMAGE.id" "$STATE/$IMAGE.id"; then
        rm -f "$PLAN/promoted.json"
    else
        # make does not run the children of an image whose id did not change.
        rm -f "$IMAGE.id"
    fi
    for file in "$IMAGE".{id,inputs,spots,keys,given,contents,exchanged,seconds}; do [[ ! -f $file || -L $file ]] || files+=("$file"); done
    for file in "$IMAGE".*.checked; do [[ ! -f $file || -L $file ]] || stamps+=("$file"); done
    ((${#files[@]} == 0)) || { touch -- "${files[@]}" && sync -- "${files[@]}" && mv -f -t "$STATE" -- "${files[@]}"; }
    ((${#stamps[@]} == 0)) || { touch -- "${stamps[@]}" && sync -- "${stamps[@]}" && mv -f -t "$STATE" -- "${stamps[@]}"; }
    cd "$PLAN"
}

# print_status: the line of this image, as a step here prints it, with the name of its worker.
print_status() {
    local end=built
    [[ ! $(<"$BS_RESULT") =~ \"status\":\ \"fresh\" ]] || end=fresh
    printf x >>"$STATE/progress"
    [[ -z ${BS_SHOW-} ]] || return 0
    local marks
    read -r marks <"$STATE/progress" || :
    measure_seconds "$BEGAN"
    [[ $end == built ]] && end="  on $WORKER" || end="  $end"
    printf '[%d/%d] %s %s s%s\n' "${#marks}" "${BS_TOTAL:-1}" "$IMAGE" "$PASSED" "$end"
}

stop_other() {
    [[ -z $OTHER ]] || kill -TERM "$OTHER" 2>/dev/null || :
}

main
