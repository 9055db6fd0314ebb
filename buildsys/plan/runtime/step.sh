# One image, from decision to name: the last line of every steps/NAME.sh sources this file.
#
# The step contract, the same on one machine and on many. In, by environment:
#   BS_STORE      options of buildah that choose the container store ("--root DIR --runroot DIR"), quoted as for a shell
#   BS_PARENT     reference of the parent to start from, when it is not the one of this set
#   BS_FORMAT     docker | oci          BS_EPOCH    seconds; no file of the layer is newer
#   BS_FORCE      1: build even when fresh
#   BS_ATTEMPT    which attempt this is, from 1                BS_RESULT the result file to write
# Out: one result file, written by rename. Exit 0: done; 75: infrastructure, may be retried;
# anything else: the recipe failed.
set -Eeuo pipefail
shopt -s inherit_errexit

PLAN=$(CDPATH='' cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
LIB=$PLAN/lib
STATE=$PLAN/state
# shellcheck source=/dev/null
. "$LIB/surroundings.sh"
REFERENCE=$PREFIX$IMAGE:$TAG
: "${BS_STORE=}" "${BS_FORMAT:=$FORMAT}" "${BS_EPOCH:=$EPOCH}" "${BS_FORCE:=}" "${BS_ATTEMPT:=1}"
: "${BS_RESULT:=$PLAN/results/$IMAGE.json}"
# The tools of containers live for a few ms and need not tidy up their memory: a tenth of their time.
export GOGC=800
export SOURCE_DATE_EPOCH=$BS_EPOCH BUILDAH_FORMAT=$BS_FORMAT
umask 022
[[ -n ${GIVES-} ]] || GIVES=()
[[ -n ${TAKES-} ]] || TAKES=()
[[ $BS_EPOCH == "$EPOCH" ]] || CREATED=$(date -u -d "@$BS_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

for room in disk log secrets store buildah database freshness reason container enter sources packages containerfile layer \
    copied removals commit; do
    # shellcheck source=/dev/null
    . "$LIB/$room.sh"
done

main() {
    exec 3>&1 4>&2
    [[ -d $STATE && -d $PLAN/results && -d $PLAN/logs ]] || mkdir -p "$STATE" "$PLAN/results" "$PLAN/logs"
    store_open
    ask_buildah
    trap 'finish $?' EXIT
    # Only once: a second signal must not keep the first from being seen to.
    trap 'trap "" INT TERM HUP; STOPPED=yes; exit 130' INT TERM HUP
    # It may pull a base image.
    [[ ${BS_WHY-} == 1 ]] || scratch_begin
    decide
    if [[ ${BS_WHY-} == 1 ]]; then
        printf '%s\t%s\t%s\t%s\n' "$IMAGE" "$DECISION" "$REASON" "$ID"
        return
    fi
    if [[ $DECISION != stale ]]; then
        if [[ $DECISION != fresh ]]; then
            name_alone "$ID"
            buildah tag "$ID" "$REFERENCE" ${SAME_CONTENT:+"$KEY_NAME"}
            exec {NAMING}>&-
        fi
        log_result "$ID" fresh "$REASON" "$BEGAN"
        remember "$ID"
        container_end
        log_status fresh "$BEGAN"
        return
    fi
    BUILDING=yes
    exec >"$PLAN/logs/$IMAGE.log" 2>&1
    printf '%s: building: %s\n' "$IMAGE" "${WHOLE_REASON:-$REASON}"
    trap 'failed_at=$SPOT; [[ ${FUNCNAME[0]-} != build ]] || failed_command=$BASH_COMMAND' ERR
    [[ -n ${CONTAINERFILE-} ]] || container_begin
    build
    at "$RECIPE"
    [[ -n ${CONTAINERFILE-} ]] || without_marks
    commit
    # Whom a stamp calls fresh nobody looks at again.
    log_result "$ID" built "$REASON" "$BEGAN"
    remember "$ID"
    container_end
    exec 1>&3 2>&4
    log_status built "$BEGAN"
}

# The one way out: whatever happened, no working container stays and the failure has a place.
finish() {
    local status=$1
    # Nothing here may keep the rest from being done, not even a full disk.
    set +e
    trap '' INT TERM HUP
    trap - EXIT ERR
    ((status)) || return 0
    [[ ${BS_WHY-} != 1 ]] || exit "$status"
    local disk='' log='' is_full=''
    if [[ -z $STOPPED ]]; then
        # What a recipe's `run` says of space may be about its own; what is left is not. Looked at before anything is removed.
        [[ -z $BUILDING || -n $RUNNING ]] || log=$PLAN/logs/$IMAGE.log
        [[ -z $log ]] || want_for "$log" "${UPPER:-$SCRATCH}"
        disk=$(full_disk "$log" "$STATE" "$PLAN" "${GRAPHROOT:-$PLAN}" "${RUNROOT:-$PLAN}") || disk=''
    fi
    if [[ -n ${failed_at-} ]]; then
        printf '\n%s: failed at %s\n' "$IMAGE" "$failed_at"
        [[ ${failed_command:-return} == return* ]] || printf '    %s\n' "${failed_command-}"
    fi
    container_end
    if [[ -n $disk ]]; then
        is_full=yes
        disk="error: $disk"$'\n'"  hint: free some space; the next run goes on from here"
        printf '%s\n' "$disk"
        # A full disk takes no log.
        [[ -n $BUILDING && $(tail -n 2 "$PLAN/logs/$IMAGE.log") != "$disk" ]] || disk=''
    fi
    exec 1>&3 2>&4
    if [[ -z $STOPPED ]]; then
        # A recipe's `run` fails for reasons of its own, whatever it says and whatever its status.
        if [[ -n $is_full ]]; then
            status=75
        elif [[ -n $RUNNING ]]; then
            status=1
        elif [[ -n $BUILDING ]]; then
            if infrastructure "$PLAN/logs/$IMAGE.log"; then status=75; else status=1; fi
        fi
        log_result '' failed "$REASON" "$BEGAN" "${failed_at:-$RECIPE}"
        log_status FAILED "$BEGAN"
        [[ -z $disk ]] || printf '%s: %s\n' "$IMAGE" "$disk" >&2
    fi
    exit "$status"
}

# Where the next command comes from: the Spot of its instruction.
at() { SPOT=$1; }

clock
BEGAN=$NOW SPOT=$RECIPE REASON='' BUILDING='' STOPPED=''
main
