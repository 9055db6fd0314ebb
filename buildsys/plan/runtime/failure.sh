# The report of a failed step: its recipe line, its command, the last lines of what that command printed, and a hint, each once.

COMMAND='' HINT='' OUTPUT=() LEFT_OUT=0

# find_failure SPOT: set COMMAND, for a `run`; OUTPUT, the last lines that the instruction printed; and HINT, if the cause is a known one.
find_failure() {
    local line
    [[ -n $BUILDING ]] || return 0
    while IFS= read -r line; do
        if [[ $line == '== '* || $line == "$IMAGE: building: "* ]]; then OUTPUT=(); else OUTPUT+=("$line"); fi
    done < <(tail -n 400 "$PLAN/logs/$IMAGE.log" 2>/dev/null | make_printable)
    if [[ -n $RUNNING && -n ${failed_argv-} ]]; then
        COMMAND="${failed_argv[*]}"
        [[ $COMMAND != '/bin/sh -'*([a-z])'c '* ]] || COMMAND=${failed_argv[2]}
        COMMAND=${COMMAND%$'\n'}
        find_hint
    fi
    if ((${#OUTPUT[@]} > 10)); then
        LEFT_OUT=$((${#OUTPUT[@]} - 10))
        OUTPUT=("${OUTPUT[@]: -10}")
    fi
}

# find_hint: set HINT from OUTPUT and COMMAND.
find_hint() {
    local text word manager='(apt|apt-get|aptitude|dpkg|dnf|microdnf|yum|rpm|zypper)' requested
    printf -v text '%s\n' "${OUTPUT[@]}"
    # Shells and bwrap name a missing program: "sh: 1: x: not found", "x: command not found", "bwrap: execvp x: No such file".
    if [[ $text =~ (^|[[:space:]:])([^[:space:]:\'\"]+):\ (command\ )?not\ found ]]; then
        word=${BASH_REMATCH[2]}
    elif [[ $text =~ execvp\ ([^[:space:]:]+):\ No\ such\ file ]]; then
        word=${BASH_REMATCH[1]}
    elif [[ ${COMMAND%%[[:space:]]*} =~ ^(apt|apt-get|dnf|microdnf|yum|zypper)$ ]]; then
        # A package manager that the image has: it fails without network.
        HINT="a \`run\` has no network; name packages in \`packages:\`"
        return
    elif [[ $text =~ ([Cc]ould\ not\ resolve|[Tt]emporary\ failure\ (in\ name\ resolution|resolving)|[Nn]etwork\ is\ unreachable|[Nn]ame\ or\ service\ not\ known|bad\ address\ \') ]]; then
        HINT="a \`run\` has no network; name packages in \`packages:\`, and fetch files by \`download:\`"
        return
    else
        return 0
    fi
    if [[ ${word##*/} =~ ^$manager$ ]]; then
        HINT="this image has no ${word##*/}; name packages in \`packages:\`"
        # The words after `install`, without options.
        if [[ $COMMAND =~ ${word##*/}[^\;\&\|$'\n']*\ install\ ([^\;\&\|$'\n']+) ]]; then
            requested=''
            for word in ${BASH_REMATCH[1]}; do
                [[ ! $word =~ ^[a-zA-Z0-9][a-zA-Z0-9.+_-]*$ ]] || requested+=${requested:+, }$word
            done
            [[ -z $requested ]] || HINT="${HINT%name packages*}write \`packages: [$requested]\`"
        fi
    else
        HINT="this image has no program ${word##*/}; name its package in \`packages:\`"
    fi
}

# print_failure SPOT STATUS: print the report, as one write: other steps print, too.
print_failure() {
    local text line before='  command: '
    text=$'\n'"$IMAGE failed at $1"$'\n'
    text+=$(print_source_line "$1")
    if [[ -n $COMMAND ]]; then
        [[ $text == *$'\n' ]] || text+=$'\n'
        while IFS= read -r line; do
            text+=$before$line$'\n'
            before='           '
        done < <(make_printable <<<"$COMMAND")
        text+="  exit status: $2"$'\n'
    fi
    [[ $text == *$'\n' ]] || text+=$'\n'
    ((LEFT_OUT == 0)) || text+="    … $LEFT_OUT lines before these"$'\n'
    for line in "${OUTPUT[@]}"; do text+="    $line"$'\n'; done
    [[ -z $HINT ]] || text+="  hint: $HINT"$'\n'
    [[ -z $BUILDING ]] || text+="  log: $(shorten_path "$PLAN/logs/$IMAGE.log")"$'\n'
    cat <<<"${text%$'\n'}" >&2
}

# print_source_line SPOT: print this line of the recipe, with a caret, if the caller named the folder that paths of recipes begin at.
print_source_line() {
    local file line=() number column
    [[ -n ${BS_SOURCES-} && $1 =~ ^(.*):([0-9]+):([0-9]+)$ ]] || return 0
    file=${BASH_REMATCH[1]} number=${BASH_REMATCH[2]} column=${BASH_REMATCH[3]}
    [[ $file == /* ]] || file=$BS_SOURCES/$file
    [[ -f $file && -r $file ]] && ((number)) || return 0
    mapfile -t -s "$((number - 1))" -n 1 line < <(make_printable <"$file")
    ((${#line[@]} && ${#line[0]} < 200 && column)) || return 0
    printf '  %s | %s\n  %*s | %*s\n' "$number" "${line[0]}" "${#number}" '' "$column" '^'
}

# shorten_path PATH: print it, relative to the folder of the caller if it is below it.
shorten_path() { if [[ -n ${BS_SOURCES-} ]]; then printf '%s' "${1#"$BS_SOURCES"/}"; else printf '%s' "$1"; fi; }

# make_printable: copy text without what a terminal would act on, and without passwords in addresses.
make_printable() {
    sed -E -e 's/\x1b\[[0-9;?]*[ -\/]*[@-~]//g' -e 's/\r+$//' -e 's/.*\r//' -e 's/\t/ /g' \
        -e 's/[\x01-\x08\x0b-\x1f\x7f]/?/g' -e 's/\xc2[\x80-\x9f]/?/g' -e 's#(://)[^/@ ]+@#\1***@#g'
}
