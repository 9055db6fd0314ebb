# Build one image, from the decision to its names. The last line of every steps/NAME.sh sources this file.
#
# The contract of a step, for local and distributed execution. Input, by environment:
#   BS_STORE      options of buildah that choose the container store ("--root DIR --runroot DIR"), with shell quotes
#   BS_PARENT     reference of the parent image, if it is not the one of this set
#   BS_FORMAT     docker | oci          BS_EPOCH    seconds since 1970; no file of the layer is newer
#   BS_FORCE      1: build a fresh image, too
#   BS_REGISTRY   HOST[:PORT][/PREFIX]: the work registry, through which several stores build one set (lib/exchange.sh)
#   BS_ATTEMPT    number of this attempt, from 1           BS_RESULT   path of the result file
# Output: one result file, written by rename. Exit status 0: done; 75: the infrastructure failed, a retry may help;
# any other: the recipe failed.
set -Eeuo pipefail
shopt -s inherit_errexit

PLAN=$(CDPATH='' cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
LIB=$PLAN/lib
STATE=$PLAN/state
# The run keeps what make itself prints, and passes on its own stderr for the steps.
if [[ -n ${BS_ERRORS-} && -e /dev/fd/$BS_ERRORS ]]; then exec 2>&"$BS_ERRORS" {BS_ERRORS}>&-; fi
# shellcheck source=/dev/null
. "$LIB/surroundings.sh"
REFERENCE=$PREFIX$IMAGE:$TAG
: "${BS_STORE=}" "${BS_FORMAT:=$FORMAT}" "${BS_EPOCH:=$EPOCH}" "${BS_FORCE:=}" "${BS_ATTEMPT:=1}"
: "${BS_RESULT:=$PLAN/results/$IMAGE.json}"
# buildah and skopeo run for milliseconds: garbage collection would take a tenth of their time.
export GOGC=800
export SOURCE_DATE_EPOCH=$BS_EPOCH BUILDAH_FORMAT=$BS_FORMAT
umask 022
[[ -n ${GIVES-} ]] || GIVES=()
[[ -n ${TAKES-} ]] || TAKES=()
[[ $BS_EPOCH == "$EPOCH" ]] || CREATED=$(date -u -d "@$BS_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

for room in disk log failure secrets store damage buildah database freshness reason container enter sources packages containerfile layer \
    copied removals split commit; do
    # shellcheck source=/dev/null
    . "$LIB/$room.sh"
done

# shellcheck source=/dev/null
[[ -z ${BS_REGISTRY-} ]] || . "$LIB/exchange.sh"

main() {
    exec 3>&1 4>&2
    [[ -d $STATE && -d $PLAN/results && -d $PLAN/logs ]] || mkdir -p "$STATE" "$PLAN/results" "$PLAN/logs"
    open_store
    ask_buildah
    trap 'finish $?' EXIT
    # Ignore a second signal, which would interrupt the clean-up.
    trap 'trap "" INT TERM HUP; STOPPED=yes; exit 130' INT TERM HUP
    # `decide` may pull a base image, which needs temporary files.
    [[ ${BS_WHY-} == 1 ]] || make_scratch
    [[ ${BS_WHY-} == 1 ]] || log_event started "$IMAGE"
    decide
    if [[ ${BS_WHY-} == 1 ]]; then
        printf '%s\t%s\t%s\t%s\n' "$IMAGE" "$DECISION" "$REASON" "$ID"
        return
    fi
    [[ -z ${BS_REGISTRY-} || $BS_FORCE == 1 ]] || ask_for_key
    if [[ $DECISION != stale ]]; then
        if [[ $DECISION != fresh ]]; then
            lock_image_names "$ID"
            buildah tag "$ID" "$REFERENCE" ${SAME_CONTENT:+"$KEY_NAME"}
            exec {NAMING}>&-
        fi
        [[ -z ${BS_REGISTRY-} || -n $FOUND ]] || offer
        log_result "$ID" fresh "$REASON" "$BEGAN"
        write_records "$ID"
        end_container
        log_status fresh "$BEGAN"
        return
    fi
    BUILDING=yes
    exec >"$PLAN/logs/$IMAGE.log" 2>&1
    printf '%s: building: %s\n' "$IMAGE" "${WHOLE_REASON:-$REASON}"
    log_event doing "$IMAGE" what begin reason "$REASON"
    trap 'failed_at=$SPOT; [[ ${FUNCNAME[0]-} != build ]] || failed_command=$BASH_COMMAND
        [[ ${FUNCNAME[0]-} != run ]] || failed_argv=("$@")' ERR
    [[ -z ${BS_REGISTRY-} ]] || bring_sources
    find_created
    [[ -n ${CONTAINERFILE-} ]] || begin_container
    build
    at "$RECIPE" commit
    [[ -n ${CONTAINERFILE-} ]] || remove_overlay_marks
    commit
    [[ -z ${BS_REGISTRY-} ]] || offer
    # Write the result before the stamp: a stamped image is not examined again.
    log_result "$ID" built "$REASON" "$BEGAN"
    write_records "$ID"
    end_container
    exec 1>&3 2>&4
    log_status built "$BEGAN"
}

# finish STATUS: the only exit of a step: remove the working container, and report the place of the failure.
finish() {
    local status=$1
    # Continue after errors, for example on a full disk.
    set +e
    trap '' INT TERM HUP
    trap - EXIT ERR
    ((status)) || return 0
    [[ ${BS_WHY-} != 1 ]] || exit "$status"
    local disk='' log='' is_full='' own=$status
    if [[ -z $STOPPED ]]; then
        # Ignore what the log of a `run` says about space: it may concern other disks. Measure before the clean-up frees space.
        [[ -z $BUILDING || -n $RUNNING ]] || log=$PLAN/logs/$IMAGE.log
        [[ -z $log ]] || raise_minimum "$log" "${UPPER:-$SCRATCH}"
        disk=$(full_disk "$log" "$STATE" "$PLAN" "${GRAPHROOT:-$PLAN}" "${RUNROOT:-$PLAN}") || disk=''
    fi
    if [[ -n ${failed_at-} ]]; then
        [[ -n $STOPPED ]] || find_failure "$failed_at"
        printf '\n%s: failed at %s\n' "$IMAGE" "$failed_at"
        [[ ${failed_command:-return} == return* ]] || printf '    %s\n' "${failed_command-}"
    fi
    end_container
    if [[ -n $disk ]]; then
        is_full=yes
        disk="error: $disk"$'\n'"  hint: free some space; the next run goes on from here"
        # The log may be incomplete, so it is printed there and in the report.
        printf '%s\n' "$disk"
    fi
    exec 1>&3 2>&4
    if [[ -z $STOPPED ]]; then
        # A failed `run` is a failure of the recipe, independent of its output and exit status.
        if [[ -n $is_full || -n ${OUTAGE-} ]]; then
            status=75
        elif [[ -n $RUNNING ]]; then
            status=1
        elif [[ -n $BUILDING ]]; then
            if is_infrastructure_failure "$PLAN/logs/$IMAGE.log"; then status=75; else status=1; fi
        fi
        log_result '' failed "$REASON" "$BEGAN" "${failed_at:-$RECIPE}" status "$own" what "$WHAT" command "$COMMAND" hint "$HINT"
        log_status FAILED "$BEGAN"
        print_failure "${failed_at:-$RECIPE}" "$own"
        [[ -z $disk ]] || printf '%s: %s\n' "$IMAGE" "$disk" >&2
    fi
    exit "$status"
}

# at SPOT [WHAT [COUNT]]: record the place of the next command: the Spot of its instruction, and what the step does from there on. The line
# in the log separates the output of one instruction from that of the next.
at() {
    SPOT=$1
    [[ -z ${2-} ]] || printf '== %s: %s\n' "$1" "$2"
    [[ -z ${2-} || $2${3-} == "$WHAT" ]] || log_event doing "$IMAGE" what "$2" ${3:+count "$3"} at "$1"
    WHAT=${2-}${3-}
}

read_clock
BEGAN=$NOW SPOT=$RECIPE REASON='' BUILDING='' STOPPED='' WHAT=''
main
