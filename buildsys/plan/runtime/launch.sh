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
for room in log store records; do
    # shellcheck source=/dev/null
    . "$LIB/$room.sh"
done
IMAGE=${1##*/}
IMAGE=${IMAGE%.sh}
REFERENCE=$PREFIX$IMAGE:$TAG
BS_RESULT=$PLAN/results/$IMAGE.json
MARK=$'\x1e' AVOID='' STAGED='' OTHER='' STATUS='' WORKER='' ENDED=''
# So often an attempt may fail for reasons that are not the recipe's; twice a machine may be lost during one.
MOST=4 MOST_LOST=2

main() {
    local attempt lost=0 pauses=("${BS_PAUSE:-2}")
    split_words "$BS_ON" || decline 'BS_ON has unbalanced quotes, or ends with a backslash' "BS_ON=$BS_ON"
    read -r CLIENT _ <"$STATE/id"
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
            75) printf '%s: attempt %d on %s failed for a reason that is not the recipe%ss; it is tried again\n' "$IMAGE" "$attempt" "${WORKER:-a worker}" \' >&2 ;;
            '')
                # No answer came: the machine, its connection or its scheduler is gone; or it never began.
                if ((ENDED == 78)); then
                    report_failure "${WORKER:-its worker} cannot build"
                    exit 78
                fi
                lost=$((lost + 1))
                ((lost < MOST_LOST)) || break
                printf '%s: its worker%s was lost (status %s); it is tried elsewhere\n' "$IMAGE" "${WORKER:+ $WORKER}" "$ENDED" >&2
                ;;
            *)
                take_records
                exit "$STATUS"
                ;;
        esac
        [[ -z $WORKER || " $AVOID " == *" $WORKER "* ]] || AVOID+=${AVOID:+ }$WORKER
        sleep "${pauses[@]}"
        # Twice as long: sleep adds its words, which may be fractions.
        pauses+=("${pauses[@]}")
    done
    [[ -z $STATUS ]] || take_records
    [[ -n $STATUS ]] || printf '%s: error: its worker was lost %d times while it was built (status %s); it is not tried again\n' \
        "$IMAGE" "$lost" "$ENDED" >&2
    [[ -n $STATUS ]] || report_failure 'its worker was lost twice'
    exit 75
}

# report_failure REASON: the result of an image that no worker has answered for.
report_failure() { BS_REGISTRY='' log_result '' failed "$1" "$BEGAN" ''; }

# try ATTEMPT: one attempt. Sets STATUS, of the step, empty without an answer; WORKER; and ENDED, the status of BS_ON.
try() {
    local line taking=''
    STATUS='' WORKER='' ENDED=''
    local avoid=$AVOID
    exec {ANSWER}< <(
        trap - INT TERM HUP
        # What was found of this machine says nothing of another one.
        exec 5< <(print_request "$1")
        unset TMPDIR MAKEFLAGS MFLAGS MAKELEVEL "${!BS_@}"
        # An engine looks up priority, memory and placement by the name of the image.
        export BS_IMAGE=$IMAGE BS_AVOID=$avoid
        setpriv --pdeathsig TERM "${WORDS[@]}" bash -s <&5 5<&- && ENDED=0 || ENDED=$?
        printf '%sleft %d\n' "$MARK" "$ENDED"
    )
    OTHER=$!
    while IFS= read -r -u "$ANSWER" line; do
        case $line in
            "${MARK}worker "*) WORKER=${line#"${MARK}worker "} ;;
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
    [[ -n $STATUS || $ENDED != 75 ]] || STATUS=75
}

# print_request ATTEMPT: the text that `bash -s` reads: the program, the values, and the records of what the step reads.
print_request() {
    local name files=()
    cat "$LIB/deliver.sh"
    printf '%s\n' "BS_REGISTRY=$BS_REGISTRY" "SET=$SET" "IMAGE=$IMAGE" "PLAN_DIGEST=$(<"$STATE/sent")" "BS_ATTEMPT=$1.$BEGAN" \
        "BS_FORMAT=${BS_FORMAT-$FORMAT}" "BS_EPOCH=${BS_EPOCH-$EPOCH}" "BS_FORCE=${BS_FORCE-}" "BS_ALL=${BS_ALL-}" \
        "BS_COMPRESSION=${BS_COMPRESSION-}" "BS_CLIENT=$BS_CLIENT" "CLIENT=$CLIENT" ''
    cd "$STATE"
    while IFS= read -r name; do
        files+=("$name".id "$name".exchanged "$name".given)
    done < <(awk -v name="$IMAGE" '$2 == name { for (i = 3; i <= NF; i++) print $i }' "$PLAN/graph")
    files+=("${RECORD_KINDS[@]/#/$IMAGE.}" repositories)
    for name in "${!files[@]}"; do [[ -f ${files[name]} ]] || unset "files[$name]"; done
    tar -cz --owner=0 --group=0 --numeric-owner -- "${files[@]}" | base64
}

# take_records: put what the worker gave back at its place.
take_records() {
    [[ -s $STAGED/records ]] || return 0
    mkdir "$STAGED/new"
    base64 -d <"$STAGED/records" | tar -xz -C "$STAGED/new" --no-same-owner --no-same-permissions
    place_records "$STAGED/new" "$IMAGE"
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
