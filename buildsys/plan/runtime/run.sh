#!/bin/bash
# Run a plan: make calls this once with the goals; it readies the ground, hands over to make, and sums up.
set -euo pipefail
PLAN=$(CDPATH='' cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
LIB=$PLAN/lib
STATE=$PLAN/state
# shellcheck source=/dev/null
. "$LIB/surroundings.sh"
# shellcheck source=/dev/null
. "$LIB/user.sh"
as_root_of_a_namespace "$@"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
for room in disk secrets store damage buildah database judge; do
    # shellcheck source=/dev/null
    . "$LIB/$room.sh"
done
: "${BS_STORE=}" "${MAKE:=make}"
BS_STORE_IS='' BS_BUILDAH_IS=''
export BS_DAMAGE="$STATE/damaged" BS_STORE BS_STORE_IS BS_BUILDAH_IS BS_LISTING BS_TOTAL BS_DATABASE

main() {
    trap stop INT TERM HUP
    (($#)) || set -- all
    check_goals "$@"
    check_tools
    check_clock
    check_plan_place
    trap 'end_run $?' EXIT
    folders_of_a_run
    take_turn "$@"
    # Whatever the tools put aside goes with the run, or with the next one.
    export TMPDIR=$STATE/scratch.run.$$
    mkdir -p "$TMPDIR"
    store_open
    if [[ $DRIVER == overlay && -n ${_CONTAINERS_ROOTLESS_UID-} ]] && ! command -v setfattr >/dev/null; then
        decline "an ordinary user's images need setfattr, which this machine lacks" 'it is in the package attr' 3
    fi
    check_space
    ask_buildah
    # Shared by all builds of this store; whoever gets it alone may delete images.
    exec {SHARED}>>"$RUNROOT/buildsys.lock"
    awaited flock -s "$SHARED"
    remove_odd_files
    name_plan
    clear_leftovers
    local goals=$STATE/goals fresh status=0 rest=() flags
    closure "$@" >"$goals"
    [[ ${BS_PULL-} != 1 ]] || pull_bases "$goals"
    remove_damaged
    look_at_repositories
    database_format
    BS_LISTING=$STATE/listing
    list_store >"$BS_LISTING"
    judge_images "$goals" "$BS_LISTING" >"$STATE/judged"
    sed -nE 's/^fresh ([^ ]+) .*/\1/p' "$STATE/judged" >"$STATE/fresh"
    sed -n 's/^drop //p' "$STATE/judged" | xargs -r -d '\n' rm -rf
    fresh=$(wc -l <"$STATE/fresh")
    BS_TOTAL=$(wc -l <"$goals")
    head -c "$fresh" /dev/zero | tr '\0' x >"$STATE/progress"
    : >"$PLAN/events.jsonl"
    if ((fresh < BS_TOTAL)); then
        check_secrets "$goals" "$STATE/fresh"
        # What the host's package tools load may be other files than in the last run; and what steps read without looking
        # at it again is made by the run that reads it.
        rm -rf "$STATE/kit" "$STATE/kit.copying" "$STATE/payload" "$STATE"/settings.*
        without_dead_job_server
        flags=${MAKEFLAGS-}
        # Behind `--` stand variables. -i and -t would pass off as done what failed or was never built.
        [[ ${flags%%-- *} =~ (^|\ )-(j|-jobserver) ]] || rest=(-j "${JOBS:-$(default_jobs)}")
        if [[ $flags =~ ^([a-zA-Z]+)(.*) ]]; then export MAKEFLAGS=${BASH_REMATCH[1]//[it]/}${BASH_REMATCH[2]}; fi
        run_make "${rest[@]}" "$@" || status=$?
    fi
    drop_intermediates
    SUMMED=yes
    summary "$goals"
    return "$status"
}

# end_run STATUS: a run that ended before its summary names the disk that kept it from it.
end_run() {
    local disk=''
    if [[ $1 == 1 && -z $SUMMED ]] && disk=$(full_disk '' "$STATE" "$PLAN" "${GRAPHROOT:-$PLAN}" "${RUNROOT:-$PLAN}"); then
        printf 'error: %s\n  hint: free some space; the next run goes on from here\n' "$disk" >&2
    fi
    [[ ${TMPDIR-} != "$STATE/scratch.run.$$" ]] || rm -rf "$TMPDIR"
}
SUMMED=''

# run_make ARGUMENTS…: make on the images; fails with 1, or with 130 when interrupted. A signal to this shell alone is
# passed on: the steps end first, each with its working container. A command of theirs that still runs after BS_GRACE
# seconds, or at a second signal, is ended, too.
run_make() {
    local make status=0 signals=0 timer=''
    trap 'signals=$((signals + 1)); kill -TERM "$make" 2>/dev/null' INT TERM HUP
    # A shell lets what it starts beside itself ignore interrupts, unless told otherwise.
    (trap - INT QUIT TERM HUP && exec $MAKE --no-print-directory -k -C "$PLAN" -f images.mk "$@") &
    make=$!
    # A signal ends a wait, not make.
    while wait "$make" || status=$?; kill -0 "$make" 2>/dev/null; do
        status=0
        ((signals < 2)) || end_below "$make"
        if [[ -z $timer ]]; then
            end_later "$make" &
            timer=$!
        fi
    done
    trap stop INT TERM HUP
    [[ -z $timer ]] || kill "$timer" 2>/dev/null || :
    ((status == 0)) || return "$((signals ? 130 : 1))"
}

# end_later PROCESS: end what is below it when BS_GRACE seconds are over. Locks stay the run's own.
end_later() {
    trap 'kill $!; exit' TERM
    trap '' INT HUP
    exec {TURN}>&- {SHARED}>&-
    command -p sleep "${BS_GRACE:-5}" &
    wait
    end_below "$1"
}

# end_below PROCESS: SIGTERM to all that it started, and what they did.
end_below() {
    local place line words parents=" $1 " more=1
    while ((more)); do
        more=0
        for place in /proc/[0-9]*; do
            # Behind the name of the program, which may hold anything: its state and its parent.
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

# awaited COMMAND…: run what may take long. A signal to this shell ends it, and then the run.
awaited() {
    local status=0
    (trap - INT QUIT TERM HUP && "$@") &
    wait "$!" || status=$?
    return "$status"
}

# stop: what a signal does before make runs, and after.
stop() {
    trap '' INT TERM HUP
    end_below "$$"
    wait || :
    exit 130
}

# check_goals GOAL…: images of this plan, or `all`.
check_goals() {
    local goal unknown=()
    for goal; do
        [[ $goal == all ]] || [[ $goal != */* && -e $PLAN/steps/$goal.sh ]] || unknown+=("$goal")
    done
    ((${#unknown[@]})) || return 0
    printf 'error: %s has no image %s\n' "$SET" "${unknown[*]}" >&2
    printf '  hint: %s/graph names them all\n' "$PLAN" >&2
    [[ ! -s $PLAN/notes ]] || sed -n 's/^not built, /  note: not built, /p' "$PLAN/notes" >&2
    exit 2
}

check_tools() {
    local tool either missing=()
    for tool in $TOOLS; do
        # Of A|B either will do; command -v succeeds when it knows one.
        IFS='|' read -ra either <<<"$tool"
        command -v "${either[@]}" >/dev/null || missing+=("${tool//|/ or }")
    done
    ((${#missing[@]})) || return 0
    printf 'error: this plan needs %s, which this machine lacks\n' "${missing[*]}" >&2
    exit 3
}

# Files that a step writes are found by their time: it must be later than the set's epoch.
check_clock() {
    local now
    printf -v now '%(%s)T' -1
    ((now < ${BS_EPOCH:-$EPOCH})) || return 0
    printf 'error: the clock of this machine says %(%Y-%m-%d)T, the files of this set are from %(%Y-%m-%d)T\n' \
        "$now" "${BS_EPOCH:-$EPOCH}" >&2
    printf '  hint: set the clock; what a step writes is known by being newer\n' >&2
    exit 1
}

# Steps are programs; an image with a Containerfile is built in a store below the plan.
check_plan_place() {
    local steps=("$PLAN"/steps/*.sh)
    [[ -x ${steps[0]} ]] || decline 'a plan cannot run from a file system mounted noexec' "it lies in $PLAN" 1
    [[ $PLAN != *$'\n'* ]] || decline 'a plan cannot lie in a directory with a newline in its name' 'move it'
}

# without_dead_job_server: make's job server may be two descriptors that whoever started us has closed, as `buildah unshare`
# does. Then it is gone, and as many jobs as it was for are ours to share out; a named pipe outlives that.
without_dead_job_server() {
    local flags=${MAKEFLAGS-} variables=''
    [[ ! $flags =~ ^(.*)(\ --\ .*)$ ]] || flags=${BASH_REMATCH[1]} variables=${BASH_REMATCH[2]}
    [[ $flags =~ \ --jobserver-(auth|fds)=([0-9]+),([0-9]+) ]] || return 0
    [[ ! -p /dev/fd/${BASH_REMATCH[2]} || ! -p /dev/fd/${BASH_REMATCH[3]} ]] || return 0
    flags=${flags/"${BASH_REMATCH[0]}"/}
    if [[ $flags =~ \ -j([0-9]*) ]]; then
        flags=${flags/"${BASH_REMATCH[0]}"/}
        JOBS=${BASH_REMATCH[1]:-${JOBS-}}
    fi
    export MAKEFLAGS=$flags$variables
}

# One run a plan directory. The lock lives as long as any step of the run does, so that a step that
# outlived a killed make is waited for too.
take_turn() {
    # Numbers of bash's choosing: make's job server may stand at any other.
    exec {TURN}<>"$STATE/lock"
    if ! flock -n "$TURN"; then
        printf '%s: waiting for %s\n' "$SET" "$(<"$STATE/lock")" >&2
        awaited flock "$TURN"
        # It may be another plan by now.
        # shellcheck source=/dev/null
        . "$PLAN/plan.env"
        check_goals "$@"
        check_tools
    fi
    printf 'process %d of %s, building %s since %s\n' "$$" "$(id -un)" "${*:-all}" "$(date +%H:%M:%S)" >"$STATE/lock"
}

check_space() {
    local need=${BS_SPACE_MIB:-1024} usable inodes rest place
    while read -r _ usable inodes rest; do
        place=${rest#*$'\t'} usable=$((usable / 1048576))
        if ((usable < need)); then
            printf 'error: %d MiB free at %s, %d MiB are needed to begin\n' "$usable" "$place" "$need" >&2
        elif [[ $inodes != - && $inodes -lt $need ]]; then
            printf 'error: %d inodes free at %s, %d are needed to begin\n' "$inodes" "$place" "$need" >&2
        else
            continue
        fi
        printf '  hint: free some space, or set BS_SPACE_MIB to what you know is enough\n' >&2
        SUMMED=yes
        exit 1
    done < <(disks "$GRAPHROOT" "$PLAN")
}

# What a kill -9 left: working containers that have a marker, scratch directories.
clear_leftovers() {
    local id left marker name gone=() markers=("$STATE"/working.*)
    for name in "$STATE"/scratch.*; do
        # Who asks why.sh takes no turn; its look at repositories has a place here while it lives.
        [[ $name != "$TMPDIR" ]] || continue
        [[ ! $name =~ /scratch\.look\.([0-9]+)\.[^/]*$ || ! -d /proc/${BASH_REMATCH[1]} ]] || continue
        [[ ! -d $name ]] || unmount_below "$name"
        rm -rf "$name"
    done
    [[ -e ${markers[0]} ]] || return 0
    read -r id <"$STATE/id"
    left=$(working_containers "$id") || return 0
    if printf '%s' "$left" | xargs -r -n 1 buildah "${STORE[@]}" rm >/dev/null; then
        left=''
    else
        left=$(working_containers "$id") || return 0
    fi
    for marker in "${markers[@]}"; do
        name=${marker#"$STATE"/working.}
        [[ $'\n'$left$'\n' == *$'\n'"buildsys-$id-${name/+/-READS-}"$'\n'* ]] || gone+=("$marker")
    done
    ((${#gone[@]} == 0)) || rm -f "${gone[@]}"
}

# unmount_below DIR: nothing of ours mounts there by now, but plans of older versions did; and what is mounted cannot be removed.
unmount_below() {
    local point
    while read -r _ _ _ _ point _; do
        printf -v point '%b' "$point"
        [[ $point != "$1"/* ]] || umount "$point" || :
    done < <(tac /proc/self/mountinfo)
}

# working_containers ID: those of the plan with this id, a line each.
working_containers() { buildah containers --noheading --format '{{.ContainerName}}' | sed -n "s/ *\$//; /^buildsys-$1-/p"; }

# The plan's own part of the names of its working containers, and where the plan lies: a copy is a plan of its own,
# and what the original has under way is not the copy's to take away. Made here, before steps could at the same time.
name_plan() {
    local known=''
    [[ ! -s $STATE/id ]] || known=$(tr -d '\0' <"$STATE/id")
    [[ ! $known =~ ^[0-9a-f]{8}$'\n' || ${known#*$'\n'} != "$PLAN" ]] || return 0
    rm -f "$STATE"/working.*
    { od -An -N4 -tx4 /dev/urandom | tr -d ' ' && printf '%s\n' "$PLAN"; } >"$STATE/id.new"
    sync -- "$STATE/id.new"
    mv "$STATE/id.new" "$STATE/id"
}

# pull_bases GOALS: the images built elsewhere that these are made from, anew: their names may mean others by now. What
# was made from the old ones is stale.
pull_bases() {
    local base bases
    # Names of images are no options, and hold no spaces.
    bases=$(cd "$PLAN/keys" && cut -d ' ' -f 2 "$1" | xargs -r sed -nE 's/^(base|outside) //p')
    while IFS= read -r base; do
        # What was made here is nowhere else.
        [[ $base != localhost/* ]] || continue
        awaited buildah pull --quiet --policy always "$base" >/dev/null && continue
        printf 'error: the base image %s cannot be pulled\n' "$base" >&2
        exit 1
    done < <(printf '%s' "$bases" | sort -u)
}

# Repositories that the plan does not carry are asked what they hold.
look_at_repositories() {
    # What an earlier plan of this folder asked says nothing of this one.
    if [[ $NETWORK == 1 ]]; then : >>"$STATE/repositories" && awaited bash "$LIB/look.sh"; else : >"$STATE/repositories"; fi
}

# closure GOAL…: the goals and all they are made from, in the order of the graph file.
closure() {
    awk -v goals="$*" '
        BEGIN { n = split(goals, g, " "); for (i = 1; i <= n; i++) want[g[i]] = 1 }
        { line[NR] = $0 }
        END {
            for (i = NR; i > 0; i--) {
                n = split(line[i], w, " ")
                if (!(w[2] in want) && !("all" in want)) continue
                for (j = 3; j <= n; j++) want[w[j]] = 1
                keep[i] = 1
            }
            for (i = 1; i <= NR; i++) if (keep[i]) print line[i]
        }' "$PLAN/graph"
}

default_jobs() {
    local jobs=$(($(nproc) * 2)) memory
    memory=$(awk '/^MemAvailable/ { print int($2 / 524288) }' /proc/meminfo)
    ((memory < jobs)) && jobs=$memory
    printf '%d' "$((jobs > 0 ? jobs : 1))"
}

# The images before normalisation: removed together, and only while nobody else builds in this store. Also when there was
# nothing to build: a step that outlived its run may have left one. It may leave one right now, too: only the words that
# were read are forgotten.
drop_intermediates() {
    local files=() ids=() gone=() file word left alone i
    for file in "$STATE"/committed.*; do
        [[ -s $file ]] || continue
        word=$(<"$file")
        files+=("$file") ids+=("${word#sha256:}")
    done
    ((${#ids[@]})) || return 0
    # Opened anew: what steps have inherited is theirs, and one may have outlived make.
    exec {SHARED}>&- {alone}>>"$RUNROOT/buildsys.lock"
    if flock -n -x "$alone"; then
        # An image that took one commit is the one that has the names, not one before normalisation.
        left=$(list_images) || files=()
        for i in "${!files[@]}"; do [[ $left =~ ${ids[i]}\ [^\<] ]] || gone+=("${ids[i]}"); done
        if ((${#gone[@]})) && ! buildah rmi "${gone[@]}" >/dev/null 2>&1; then
            # Some were gone; others, that somebody else uses, have another turn.
            left=$(list_images) || files=()
            for i in "${!files[@]}"; do [[ $left != *"${ids[i]} <none>"* ]] || unset "files[i]"; done
        fi
        ((${#files[@]} == 0)) || rm -f "${files[@]}"
    fi
    exec {alone}>&-
}

# list_images: an id and a name a line; `<none>` where there is no name.
list_images() { buildah images --all --no-trunc --format '{{.ID}} {{.Name}}' | tr -s ' '; }

# summary GOALS: what was built, what failed and where, what that blocked. Sets status when something failed.
summary() {
    local all images=images name line built=0 fresh=0 failed=() killed=() missing=()
    local -A ends=()
    while read -r name; do ends[$name]=fresh; done <"$STATE/fresh"
    while IFS= read -r line; do
        # A disk that was full keeps half a line: the next one stands behind it.
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

main "$@"
