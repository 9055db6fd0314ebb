#!/bin/bash
# attempt.sh IMAGE: run one step for a client on another machine, in this machine's own copy of the plan and in its own store. lib/deliver.sh
# has put the request into state/requests. Log lines go to stdout, events too, as lines of JSON; at the end, after a mark, the records that
# the client's plan needs.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/begin.sh"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
for room in disk log secrets store buildah database container sources leftovers records; do
    # shellcheck source=/dev/null
    . "$LIB/$room.sh"
done
IMAGE=$1
: "${BS_ATTEMPT:=1}" "${BS_CLIENT:=}"
# Slurm passes the environment of the client on, which says nothing of this machine; BS_WORKER_STORE is set here.
BS_STORE=${BS_WORKER_STORE-}
unset BS_LISTING BS_STORE_IS BS_BUILDAH_IS BS_DATABASE BS_DAMAGE BS_REPOSITORIES BS_IDS BS_PARENT BS_RESULT
MARK=$'\x1e'

main() {
    local status=0 turn
    printf '%sworker %s\n' "$MARK" "${BS_WORKER:=$HOSTNAME}"
    check_worker
    # One attempt of an image at a time: a lost one may still be ending.
    exec {turn}>>"$STATE/attempt.$IMAGE.lock"
    flock -w 10 "$turn" || {
        printf '%s: an earlier attempt still runs on %s\n' "$IMAGE" "$BS_WORKER" >&2
        printf '%srecords 75 %s\n%send\n' "$MARK" "$BS_WORKER" "$MARK"
        exit
    }
    open_store
    ask_buildah
    find_database_format
    compare_with_client
    exec {SHARED}>>"$RUNROOT/buildsys.lock"
    flock -s "$SHARED"
    clear_attempts
    clear_other_plans
    take_request
    export BS_STORE BS_BUILDAH_IS BS_DATABASE BS_STAY=1 BS_SHOW=client BS_WORKER
    export BS_EVENTS=/dev/fd/6
    exec 6>&1
    # If anything above this process dies, the kernel ends all that it started: nothing of a lost attempt finishes later.
    setpriv --pdeathsig KILL unshare --pid --fork --kill-child=KILL --mount-proc -- "$BASH" "$PLAN/steps/$IMAGE.sh" &
    trap 'trap "" INT TERM HUP; end_step $!' INT TERM HUP
    wait "$!" || status=$?
    exec 6>&-
    drop_some_intermediates
    give_back "$status"
}

# end_step PROCESS: the attempt was cancelled: end its step, and remove what that leaves.
end_step() {
    kill -KILL "$1" || :
    wait "$1" || :
    clear_attempts
    exit 130
}

# take_request: put the client's records into this plan. Each file is renamed to its place, because other attempts read there.
take_request() {
    local new=$STATE/requests/$IMAGE+new
    rm -rf "$new"
    mkdir "$new"
    tar -xzf "$STATE/requests/$IMAGE+$BS_ATTEMPT" -C "$new" --no-same-owner --no-same-permissions
    find "$new" -mindepth 1 -maxdepth 1 -type f -exec mv -f -t "$STATE" -- {} +
    rm -rf "$STATE/requests/$IMAGE"+*
}

# drop_some_intermediates: remove the images before normalisation, which takes a while, once there are some.
drop_some_intermediates() {
    local files=("$STATE"/committed.*)
    ((${#files[@]} < 16)) || drop_intermediates
}

# check_worker: the tools of the plan must be here.
check_worker() {
    local tool either missing=()
    for tool in $TOOLS; do
        IFS='|' read -ra either <<<"$tool"
        command -v "${either[@]}" >/dev/null || missing+=("${tool//|/ or }")
    done
    ((${#missing[@]} == 0)) || refuse_work "it has no ${missing[*]}"
    local now
    printf -v now '%(%s)T' -1
    ((now >= ${BS_EPOCH:-$EPOCH})) || refuse_work "its clock shows $(date -d "@$now" +%F), and the files of the set are newer"
}

# compare_with_client: a machine that would give images other ids builds nothing for this client.
compare_with_client() {
    local own="driver=$DRIVER platform=$PLATFORM layers=$LAYERS database=$BS_DATABASE" word other
    for word in $own; do
        other=" $BS_CLIENT "
        [[ $other == *" ${word%%=*}="* ]] || continue
        other=${other#*" ${word%%=*}="}
        other=${other%% *}
        [[ $other == "${word#*=}" ]] || case ${word%%=*} in
            driver) refuse_work "its store is of the driver $DRIVER, the client's is $other: its images would have other ids" ;;
            platform) refuse_work "it is $PLATFORM, and the client wants $other" ;;
            layers) refuse_work "its buildah packs layers as $LAYERS, the client's as $other: its images would have other ids" ;;
            database) refuse_work "its rpm writes a database as $BS_DATABASE, the client's as $other: its images would have other ids" ;;
        esac
    done
}

# refuse_work REASON: the client tries no other attempt here.
refuse_work() {
    printf 'error: the worker %s cannot build: %s\n' "${BS_WORKER:-$HOSTNAME}" "$1" >&2
    exit 78
}

# clear_attempts: remove what attempts of this plan left here that were killed: their containers and their scratch folders.
clear_attempts() {
    local marker name turn
    for marker in "$STATE"/working.*; do
        [[ -e $marker ]] || continue
        name=${marker#"$STATE"/working.}
        name=${name%%+*}
        if [[ $name != "$IMAGE" ]]; then
            exec {turn}>>"$STATE/attempt.$name.lock"
            flock -n "$turn" || { exec {turn}>&- && continue; }
        fi
        read_plan_id
        remove_containers "buildsys-$PLAN_ID-$name(-READS-.*)?" && rm -rf "$STATE/scratch.$name.1" "$marker"
        [[ $name == "$IMAGE" ]] || exec {turn}>&-
    done
    # A step is process 1 of its namespace.
    rm -rf "$STATE/scratch.$IMAGE.1"
}

# remove_containers PATTERN: remove the working containers of this store whose whole names match.
remove_containers() {
    local left
    left=$(buildah containers --all --noheading --format '{{.ContainerName}}') || return
    left=$(grep -xE "($1) *" <<<"$left") || return 0
    printf '%s\n' "$left" | xargs -r -n 1 buildah "${STORE[@]}" rm >/dev/null
}

# clear_other_plans: the same for plans that no attempt uses now. A plan that this one replaces is removed, and one of another client
# after two weeks; then files that no plan has any more.
clear_other_plans() {
    local place=${PLAN%/plans/*} own=${PLAN##*/} other turn id gone=''
    [[ $place != "$PLAN" ]] || return 0
    touch "$STATE/whole"
    own=${own%-*}
    for other in "$place"/plans/*/; do
        other=${other%/}
        [[ $other != "$PLAN" && -e $other/state/whole ]] || continue
        exec {turn}>>"$other.lock"
        if flock -n "$turn"; then
            if [[ -n $(find "$other/state" -maxdepth 1 -name 'working.*' -print -quit) && -s $other/state/id ]]; then
                read -r id _ <"$other/state/id"
                [[ ! $id =~ ^[0-9a-f]{8}$ ]] || ! remove_containers "buildsys-$id-.*" || rm -rf "$other/state"/{working,scratch}.*
            fi
            if [[ ${other##*/} == "$own"-* || -n $(find "$other/state/whole" -mtime +14) ]]; then
                rm -rf "$other"
                gone=yes
            fi
        fi
        exec {turn}>&-
    done
    [[ -z $gone ]] || find "$place/blobs" -type f -links 1 -mmin +60 -delete
}

# give_back STATUS: print the mark, the status and the name of this worker, and the records of the image. A step that failed has no more
# than its result and its log: other records here are of earlier steps.
give_back() {
    local kind=. list=$STATE/requests/$IMAGE+back
    (($1 == 0)) || kind='^(results|logs)/'
    cd "$PLAN"
    printf '%srecords %d %s\n' "$MARK" "$1" "$BS_WORKER"
    list_records_of "$IMAGE" | grep -E "$kind" >"$list" || :
    [[ ! -s $list ]] || tar -cz --owner=0 --group=0 --numeric-owner -T "$list" | base64
    printf '%send\n' "$MARK"
    rm -f "$list"
}

main
