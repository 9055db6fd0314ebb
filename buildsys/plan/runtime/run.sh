#!/bin/bash
# Run a plan: the front Makefile calls this once with the goals. It checks the host and the store, runs make on the images, and prints
# a summary.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/begin.sh"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
for room in disk log secrets store platform damage buildah database judge signals leftovers summary; do
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
    check_mounting
    check_clock
    check_plan_place
    if [[ -n ${BS_REGISTRY-} ]]; then
        for room in exchange artifact records; do
            # shellcheck source=/dev/null
            . "$LIB/$room.sh"
        done
        check_registry
        # Steps that run elsewhere leave the images there.
        [[ -z ${LAUNCH-} ]] || export BS_STAY=1
    fi
    check_elsewhere
    trap 'end_run $?' EXIT
    make_run_folders
    lock_plan "$@"
    begin_record "$@"
    # This run removes the temporary files of the tools, or the next run does.
    export TMPDIR=$STATE/scratch.run.$$
    mkdir -p "$TMPDIR"
    open_store
    if [[ $DRIVER == overlay && -n ${_CONTAINERS_ROOTLESS_UID-} ]] && ! command -v setfattr >/dev/null; then
        decline "an ordinary user's images need setfattr, which this machine lacks" 'it is in the package attr' 3
    fi
    [[ -n ${BS_ON-} ]] || check_platform
    check_space
    ask_buildah
    # All builds in this store share the lock; only its exclusive holder may delete images.
    exec {SHARED}>>"$RUNROOT/buildsys.lock"
    run_interruptibly flock -s "$SHARED"
    remove_odd_files
    identify_plan
    clear_leftovers
    local goals=$STATE/goals fresh status=0 rest=() flags jobs
    list_goals "$@" >"$goals"
    [[ ${BS_PULL-} != 1 ]] || pull_bases "$goals"
    remove_damaged
    read_repositories
    find_database_format
    BS_LISTING=$STATE/listing
    list_store >"$BS_LISTING"
    [[ -z ${BS_REGISTRY-} ]] || consult_registry "$goals"
    judge_images "$goals" "$BS_LISTING" >"$STATE/judged"
    [[ -z ${BS_REGISTRY-} ]] || drop_unsent
    sed -nE 's/^fresh ([^ ]+) .*/\1/p' "$STATE/judged" >"$STATE/fresh"
    sed -n 's/^drop //p' "$STATE/judged" | xargs -r -d '\n' rm -rf
    fresh=$(wc -l <"$STATE/fresh")
    BS_TOTAL=$(wc -l <"$goals")
    head -c "$fresh" /dev/zero | tr '\0' x >"$STATE/progress"
    if ((fresh < BS_TOTAL)); then
        check_secrets "$goals" "$STATE/fresh"
        # The libraries of the host's package tools may have changed since the last run; steps read these files without a check, so each
        # run makes them.
        rm -rf "$STATE/kit" "$STATE/kit.copying" "$STATE/payload" "$STATE"/settings.*
        drop_dead_job_server
        flags=${MAKEFLAGS-}
        # Variables follow `--`. Remove -i and -t, which would mark images as done that failed or were never built.
        if [[ ! ${flags%%-- *} =~ (^|\ )-(j|-jobserver) ]]; then
            # Elsewhere the scheduler of BS_ON decides what begins.
            [[ -z ${BS_ON-} ]] || jobs=100
            jobs=${JOBS:-${jobs:-$(count_jobs)}}
            rest=(-j "$jobs")
        elif [[ $flags =~ (^|\ )-j([0-9]+) ]]; then
            jobs=${BASH_REMATCH[2]}
        fi
        if [[ $flags =~ ^([a-zA-Z]+)(.*) ]]; then export MAKEFLAGS=${BASH_REMATCH[1]//[it]/}${BASH_REMATCH[2]}; fi
        record_plan "$goals" "${jobs:-0}"
        [[ -z ${BS_ON-} ]] || prepare_elsewhere
        run_make "${rest[@]}" "$@" || status=$?
    else
        record_plan "$goals" 0
    fi
    [[ -z ${BS_REGISTRY-} || $status != 0 || $fresh == "$BS_TOTAL" || $BS_TOTAL != $(wc -l <"$PLAN/graph") ]] || send_records ||
        printf 'note: the work registry has no list of this set; a client without records asks it for each image\n' >&2
    drop_intermediates
    SUMMED=yes
    print_summary "$goals"
    return "$status"
}

# consult_registry GOALS: find what the work registry has. With BS_STAY, that is as good as the store: images stay there.
consult_registry() {
    [[ ${BS_STAY-} != 1 || ${BS_FORCE-} == 1 ]] || bring_records "$1"
    list_exchanged >"$STATE/there"
    [[ ${BS_STAY-} != 1 ]] || { cat "$STATE/there" - <"$BS_LISTING" >"$BS_LISTING.new" && mv "$BS_LISTING.new" "$BS_LISTING"; }
}

# check_elsewhere: BS_ON, the command that runs steps on other machines, needs a work registry.
check_elsewhere() {
    [[ -n ${BS_ON-} ]] || return 0
    [[ -n ${BS_REGISTRY-} ]] || decline 'BS_ON runs steps on other machines, which needs a work registry' 'set BS_REGISTRY=HOST[:PORT][/PREFIX], too'
    split_words "$BS_ON" || decline 'BS_ON has unbalanced quotes, or ends with a backslash' "BS_ON=$BS_ON"
    command -v "${WORDS[0]-}" >/dev/null || decline "BS_ON begins with ${WORDS[0]-nothing}, which this machine lacks" "BS_ON=$BS_ON" 3
    # The launcher takes the place of each step.
    export BS_ON BS_STAY=1 LAUNCH='bash lib/launch.sh'
}

# prepare_elsewhere: send the plan to the work registry. Workers compare BS_CLIENT with what they are: others would give images other ids.
prepare_elsewhere() {
    export BS_CLIENT="driver=$DRIVER platform=$PLATFORM layers=$LAYERS database=$BS_DATABASE"
    send_plan
}

# drop_unsent: the step of an image that the work registry lacks runs, if only to send it.
drop_unsent() {
    awk -v prefix="localhost/buildsys-key/$SET/" -v state="$STATE" '
        what == "there" { if (index($2, prefix) == 1) { sub(/:.*/, "", $2); there[substr($2, length(prefix) + 1) " " $1] = 1 } next }
        $1 != "fresh" || ($2 " " $3) in there { print; next }
        { stamps[$2] = 1 }
        END { for (name in stamps) print "unsent", name }' what=there "$STATE/there" what=judged "$STATE/judged" >"$STATE/judged.new"
    while read -r _ name; do rm -f "$STATE/$name".*.checked; done < <(grep '^unsent ' "$STATE/judged.new")
    mv "$STATE/judged.new" "$STATE/judged"
}

# check_goals GOAL…: exit 2 unless each goal is an image of this plan, or `all`.
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

# check_tools: exit 3 if this machine lacks a tool of the plan.
check_tools() {
    local tool either missing=()
    for tool in $TOOLS; do
        # A|B means either tool; command -v succeeds if it finds one of them.
        IFS='|' read -ra either <<<"$tool"
        command -v "${either[@]}" >/dev/null || missing+=("${tool//|/ or }")
    done
    ((${#missing[@]})) || return 0
    printf 'error: this plan needs %s, which this machine lacks\n' "${missing[*]}" >&2
    exit 3
}

# check_clock: a step finds the files that it wrote by their time, which must be later than the set's epoch.
check_clock() {
    local now
    printf -v now '%(%s)T' -1
    ((now < ${BS_EPOCH:-$EPOCH})) || return 0
    printf 'error: the clock of this machine shows %(%Y-%m-%d)T, but the files of this set are from %(%Y-%m-%d)T\n' \
        "$now" "${BS_EPOCH:-$EPOCH}" >&2
    printf '  hint: set the clock; a step finds the files it wrote by their time\n' >&2
    exit 1
}

# check_plan_place: the plan's file system must allow to run programs: the steps, and RUN of a Containerfile.
check_plan_place() {
    local steps=("$PLAN"/steps/*.sh)
    [[ -x ${steps[0]} ]] || decline 'a plan cannot run from a file system mounted noexec' "it lies in $PLAN" 1
    [[ $PLAN != *$'\n'* ]] || decline 'a plan cannot lie in a directory with a newline in its name' 'move it'
}

# drop_dead_job_server: remove make's job server from MAKEFLAGS if its two descriptors are closed, which `buildah unshare` does, and use
# its number of jobs. A job server with a named pipe keeps working.
drop_dead_job_server() {
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

# lock_plan GOAL…: take the exclusive lock of the plan directory. Steps inherit it, so the next run also waits for the steps of a killed
# make.
lock_plan() {
    # Let bash choose the descriptor: make's job server may use any number.
    exec {TURN}<>"$STATE/lock"
    if ! flock -n "$TURN"; then
        printf '%s: waiting for %s\n' "$SET" "$(<"$STATE/lock")" >&2
        run_interruptibly flock "$TURN"
        # The plan may have been written again meanwhile.
        # shellcheck source=/dev/null
        . "$PLAN/plan.env"
        check_goals "$@"
        check_tools
    fi
    printf 'process %d of %s, building %s since %s\n' "$$" "$(id -un)" "${*:-all}" "$(date +%H:%M:%S)" >"$STATE/lock"
}

# check_space: exit 1 if the disk of the store or of the plan has less space than BS_SPACE_MIB, or fewer inodes.
check_space() {
    local need=${BS_SPACE_MIB:-1024} usable inodes rest place
    while read -r _ usable inodes rest; do
        place=${rest#*$'\t'} usable=$((usable / 1048576))
        if ((usable < need)); then
            printf 'error: %d MiB are free at %s, %d MiB are needed to start\n' "$usable" "$place" "$need" >&2
        elif [[ $inodes != - && $inodes -lt $need ]]; then
            printf 'error: %d inodes are free at %s, %d are needed to start\n' "$inodes" "$place" "$need" >&2
        else
            continue
        fi
        printf '  hint: free some space, or set BS_SPACE_MIB to the space that you need\n' >&2
        SUMMED=yes
        exit 1
    done < <(list_disks "$GRAPHROOT" "$PLAN")
}

# identify_plan: write state/id: the plan's part of the names of its working containers, and the path of the plan. A copy of a plan gets
# a new id, so that it does not remove the containers of the original. This runs before the steps, which would all write it.
identify_plan() {
    local known=''
    [[ ! -s $STATE/id ]] || known=$(tr -d '\0' <"$STATE/id")
    [[ ! $known =~ ^[0-9a-f]{8}$'\n' || ${known#*$'\n'} != "$PLAN" ]] || return 0
    rm -f "$STATE"/working.*
    { od -An -N4 -tx4 /dev/urandom | tr -d ' ' && printf '%s\n' "$PLAN"; } >"$STATE/id.new"
    sync -- "$STATE/id.new"
    mv "$STATE/id.new" "$STATE/id"
}

# pull_bases GOALS: pull the external images that these goals are built from. If a name has a new image, images built from the old one
# become stale.
pull_bases() {
    local base bases
    # Names of images never start with - and contain no spaces.
    bases=$(cd "$PLAN/keys" && cut -d ' ' -f 2 "$1" | xargs -r sed -nE 's/^(base|outside) //p')
    while IFS= read -r base; do
        # Local images are in no registry.
        [[ $base != localhost/* ]] || continue
        run_interruptibly buildah pull --quiet --policy always ${FOREIGN:+--arch "${PLATFORM#*/}"} "$base" >/dev/null && continue
        printf 'error: the base image %s cannot be pulled\n' "$base" >&2
        exit 1
    done < <(printf '%s' "$bases" | sort -u)
}

# read_repositories: write the state of external repositories to state/repositories.
read_repositories() {
    # The file of an earlier plan in this folder is not valid.
    if [[ $NETWORK == 1 ]]; then : >>"$STATE/repositories" && run_interruptibly bash "$LIB/look.sh"; else : >"$STATE/repositories"; fi
}

# list_goals GOAL…: print the lines of the graph of these goals and of all images that they are built from, in the order of the graph.
list_goals() {
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

# count_jobs: print the default number of jobs: two for each processor, but at most one for each 512 MiB of free memory.
count_jobs() {
    local jobs=$(($(nproc) * 2)) memory
    memory=$(awk '/^MemAvailable/ { print int($2 / 524288) }' /proc/meminfo)
    ((memory < jobs)) && jobs=$memory
    printf '%d' "$((jobs > 0 ? jobs : 1))"
}

main "$@"
