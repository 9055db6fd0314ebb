# The output of a run for people and programs: status lines, result files, events.

# These functions set variables instead of printing, because a subshell costs half as much as a program.

# quote_json VALUE: set JSON, the value as a JSON string. Values are references, hashes, Spots and sentences.
quote_json() {
    JSON=${1//\\/\\\\}
    JSON=${JSON//\"/\\\"}
    JSON=${JSON//$'\n'/\\n}
    JSON=${JSON//$'\t'/\\t}
    JSON=\"${JSON//[[:cntrl:]]/?}\"
}

# read_clock: set NOW, in seconds since 1970 with six decimals.
read_clock() { NOW=${EPOCHREALTIME:-$(date +%s.%6N)}; }

# measure_seconds SINCE: set PASSED, the seconds since this value of NOW, with one decimal.
measure_seconds() {
    local since=${1/[^0-9]/} now
    read_clock
    now=${NOW/[^0-9]/}
    PASSED=$(((now - since) / 1000000)).$(((now - since) / 100000 % 10))
}

# log_event EVENT IMAGE [NAME VALUE]…: append a line to events.jsonl, the record of this run for front ends. An append of less than 4 kB is
# one write, so lines of parallel steps never mix. IMAGE is empty for events of the whole run.
log_event() {
    local line
    read_clock
    line="{\"time\": ${NOW/[^0-9]/.}, \"event\": \"$1\"${2:+, \"image\": \"$2\"}"
    shift 2
    while (($#)); do
        case $1 in
            seconds | status | count | process | version | jobs | built | fresh | failed | blocked | unreached) JSON=$2 ;;
            *)
                JSON=$2
                # LC_ALL=C cuts bytes: remove a character that was cut.
                if ((${#JSON} > 500)); then
                    JSON=${JSON::500}
                    while [[ $JSON == *[$'\x80'-$'\xff'] ]]; do JSON=${JSON%?}; done
                    JSON+=...
                fi
                quote_json "$JSON"
                ;;
        esac
        line+=", \"$1\": $JSON"
        shift 2
    done
    printf '%s}\n' "$line" >>"${BS_EVENTS:-$PLAN/events.jsonl}"
}

# log_result ID STATUS REASON BEGAN [SPOT [NAME VALUE]…]: write results/NAME.json by rename, and an event; the names and values are for the
# event alone. A built image leaves its seconds for the estimate of the next run.
log_result() {
    local line value fields=() status=0 seconds
    for value in "$IMAGE" "$2" "$1" "$REFERENCE" "${KEY-}" "$3" "${5-}"; do
        quote_json "$value"
        fields+=("$JSON")
    done
    measure_seconds "$4"
    seconds=$PASSED
    line="{\"image\": ${fields[0]}, \"status\": ${fields[1]}, \"image_id\": ${fields[2]}, \"reference\": ${fields[3]}"
    line+=", \"key\": ${fields[4]}, \"reason\": ${fields[5]}, \"seconds\": $PASSED, \"at\": ${fields[6]}"
    [[ -z ${BS_REGISTRY-} ]] || describe_exchange
    line+="${MOVED-}}"
    printf '%s\n' "$line" >"$BS_RESULT.$$" && sync -- "$BS_RESULT.$$" && mv -f "$BS_RESULT.$$" "$BS_RESULT" || status=1
    ((status == 0)) || rm -f "$BS_RESULT.$$"
    log_event "$2" "$IMAGE" seconds "$seconds" image_id "$1" reference "$REFERENCE" key "${KEY-}" reason "$3" at "${5-}" \
        log "${BUILDING:+logs/$IMAGE.log}" "${@:6}" || status=1
    [[ $2 != built ]] || printf '%s\n' "$seconds" >"$STATE/$IMAGE.seconds" || :
    return "$status"
}

# log_status STATUS BEGAN: print one line for the user, numbered in the order in which images end. BS_SHOW leaves lines out: a front end
# prints its own.
log_status() {
    local marks note=''
    [[ $1 == built ]] || note="  $1"
    printf x >>"$STATE/progress"
    [[ -z ${BS_SHOW-} ]] || return 0
    read -r marks <"$STATE/progress" || :
    measure_seconds "$2"
    printf '[%d/%d] %s %s s%s\n' "${#marks}" "${BS_TOTAL:-1}" "$IMAGE" "$PASSED" "$note"
}

# mark_log LOG: is_infrastructure_failure ignores everything before the current end of the log.
mark_log() { LOG_MARK=$(stat -c %s "$1" 2>/dev/null || printf 0); }
LOG_MARK=0

# is_infrastructure_failure LOG: does the log end with a failure of network or space, which a retry may fix?
is_infrastructure_failure() {
    # Not grep -q: it would exit before tail, which then fails, and with it the pipe.
    tail -c "+$((LOG_MARK + 1))" "$1" 2>/dev/null | tail -n 40 | grep -Ei \
        -e "$SPACE_WORDS" -e 'does not fit on the disk: it takes' \
        -e 'connection (refused|reset|timed out)' -e 'temporary failure in name resolution' \
        -e 'i/o timeout|TLS handshake timeout' -e 'curl(: | error )\((5|6|7|16|18|28|35|52|55|56|92)\)' \
        -e 'curl#(5|6|7|16|18|28|35|52|55|56) ' -e '\[Errno 12\] Timeout' -e 'returned error: (429|50[0234])' \
        -e 'Status code: (408|429|50[0234])' -e 'toomanyrequests|429 Too Many Requests|50[234] (Bad Gateway|Service Unavailable|Gateway)' >/dev/null
}
