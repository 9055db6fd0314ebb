# Signals: a signal to a run ends everything that the run started.

# run_make ARGUMENTS…: run make on the images; fail with 1, or with 130 after a signal. A signal to this shell is passed on to make: the
# steps end first and remove their working containers. Commands that still run after BS_GRACE seconds, or at a second signal, get
# SIGTERM, too.
run_make() {
    local make status=0 signals=0 timer='' printed=$STATE/make.errors
    trap 'signals=$((signals + 1)); kill -TERM "$make" 2>/dev/null' INT TERM HUP
    # A shell makes background processes ignore interrupts unless the traps are reset.
    # shellcheck disable=SC2153 # of lib/run.sh
    (
        trap - INT QUIT TERM HUP
        # Steps report their failures themselves; make adds only that there was one. A full disk takes no file.
        if { : >"$printed"; } 2>/dev/null; then
            exec {BS_ERRORS}>&2 2>"$printed"
            export BS_ERRORS
        fi
        exec $MAKE --no-print-directory -k -C "$PLAN" -f images.mk "$@"
    ) &
    make=$!
    # A signal interrupts `wait`, but make may still run.
    while wait "$make" || status=$?; kill -0 "$make" 2>/dev/null; do
        status=0
        ((signals < 2)) || end_descendants "$make"
        if [[ -z $timer ]]; then
            end_after_grace "$make" &
            timer=$!
        fi
    done
    trap stop INT TERM HUP
    [[ -z $timer ]] || kill "$timer" 2>/dev/null || :
    [[ ! -s $printed ]] || sed -E -e '/: \*\*\* (\[.*\] (Error [0-9]+|[A-Z][a-z]+.*)|Waiting for unfinished jobs.*)$/d' \
        -e '/: Target .* not remade because of errors\.$/d' "$printed" >&2 || :
    ((status == 0)) || return "$((signals ? 130 : 1))"
}

# end_after_grace PROCESS: end its descendants after BS_GRACE seconds. Closes the inherited locks.
end_after_grace() {
    trap 'kill $!; exit' TERM
    trap '' INT HUP
    exec {TURN}>&- {SHARED}>&-
    command -p sleep "${BS_GRACE:-5}" &
    wait
    end_descendants "$1"
}

# end_descendants PROCESS: send SIGTERM to all its descendants.
end_descendants() {
    local place line words parents=" $1 " more=1
    while ((more)); do
        more=0
        for place in /proc/[0-9]*; do
            # The state and the parent follow the name of the program, which may contain any character.
            { read -r line <"$place/stat"; } 2>/dev/null || continue
            read -ra words <<<"${line##*)}"
            if [[ $parents == *" ${words[1]} "* && $parents != *" ${place#/proc/} "* ]]; then
                parents+="${place#/proc/} "
                more=1
            fi
        done
    done
    read -ra words <<<"$parents"
    kill -TERM "${words[@]:1}" 2>/dev/null || :
}

# run_interruptibly COMMAND…: run a command that may take long. A signal to this shell ends the command, then the run.
run_interruptibly() {
    local status=0
    (trap - INT QUIT TERM HUP && "$@") &
    wait "$!" || status=$?
    return "$status"
}

# stop: end the run after a signal, before and after make.
stop() {
    trap '' INT TERM HUP
    end_descendants "$$"
    wait || :
    exit 130
}
