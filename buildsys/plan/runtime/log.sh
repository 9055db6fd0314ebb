# What a run leaves for people and programs: status lines, result files, events.

# Each of these sets what it finds instead of printing it: a subshell costs as much as half a program.

# json VALUE: sets JSON, a string of it. Values here are references, hashes, Spots and sentences of ours.
json() {
    JSON=${1//\\/\\\\}
    JSON=${JSON//\"/\\\"}
    JSON=${JSON//$'\n'/\\n}
    JSON=${JSON//$'\t'/\\t}
    JSON=\"${JSON//[[:cntrl:]]/?}\"
}

# clock: sets NOW, in seconds with six decimals.
clock() { NOW=${EPOCHREALTIME:-$(date +%s.%6N)}; }

# seconds SINCE: sets PASSED since what the clock said, with one decimal.
seconds() {
    local since=${1/[^0-9]/} now
    clock
    now=${NOW/[^0-9]/}
    PASSED=$(((now - since) / 1000000)).$(((now - since) / 100000 % 10))
}

# log_result ID STATUS REASON BEGAN [SPOT]: results/NAME.json by rename, and one line of events.jsonl.
log_result() {
    local line value said=() status=0
    for value in "$IMAGE" "$2" "$1" "$REFERENCE" "${KEY-}" "$3" "${5-}"; do
        json "$value"
        said+=("$JSON")
    done
    seconds "$4"
    line="{\"image\": ${said[0]}, \"status\": ${said[1]}, \"image_id\": ${said[2]}, \"reference\": ${said[3]}"
    line+=", \"key\": ${said[4]}, \"reason\": ${said[5]}, \"seconds\": $PASSED, \"at\": ${said[6]}}"
    printf '%s\n' "$line" >"$BS_RESULT.$$" && sync -- "$BS_RESULT.$$" && mv -f "$BS_RESULT.$$" "$BS_RESULT" || status=1
    ((status == 0)) || rm -f "$BS_RESULT.$$"
    printf '%s\n' "$line" >>"$PLAN/events.jsonl" || status=1
    return "$status"
}

# log_status STATUS BEGAN: one line for the person who waits, numbered in the order images end.
log_status() {
    local marks note=''
    [[ $1 == built ]] || note="  $1"
    printf x >>"$STATE/progress"
    read -r marks <"$STATE/progress" || :
    seconds "$2"
    printf '[%d/%d] %s %s s%s\n' "${#marks}" "${BS_TOTAL:-1}" "$IMAGE" "$PASSED" "$note"
}

# log_mark LOG: what stands there so far is settled; infrastructure looks behind it.
log_mark() { LOG_MARK=$(stat -c %s "$1" 2>/dev/null || printf 0); }
LOG_MARK=0

# infrastructure LOG: does the log end in a failure that is not the recipe's, and may pass by itself?
infrastructure() {
    # Not grep -q: it would leave before tail is done, and pipefail would take that for no match.
    tail -c "+$((LOG_MARK + 1))" "$1" 2>/dev/null | tail -n 40 | grep -Ei \
        -e "$SPACE_WORDS" \
        -e 'connection (refused|reset|timed out)' -e 'temporary failure in name resolution' \
        -e 'i/o timeout|TLS handshake timeout' -e 'curl(: | error )\((5|6|7|16|18|28|35|52|55|56|92)\)' \
        -e 'curl#(5|6|7|16|18|28|35|52|55|56) ' -e '\[Errno 12\] Timeout' -e 'returned error: (429|50[0234])' \
        -e 'Status code: (408|429|50[0234])' -e 'toomanyrequests|429 Too Many Requests|50[234] (Bad Gateway|Service Unavailable|Gateway)' >/dev/null
}
