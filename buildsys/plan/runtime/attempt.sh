#!/bin/bash
# attempt.sh IMAGE: run one step for a client on another machine, in this machine's own copy of the plan and in its own store. lib/deliver.sh
# has put the request into state/requests. Log lines go to stdout, events too, as lines of JSON; at the end, after a mark, the records that
# the client's plan needs.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/begin.sh"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
for room in disk log secrets store buildah database container sources leftovers; do
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
    trap 'exit 130' INT TERM HUP
    check_worker
    # One attempt of an image at a time: a lost one may still be ending.
    exec {turn}>>"$STATE/attempt.$IMAGE.lock"
    flock -w 10 "$turn" || { printf '%s: an earlier attempt still runs on %s\n' "$IMAGE" "${BS_WORKER:=$HOSTNAME}" >&2 && exit 75; }
    open_store
    ask_buildah
    find_database_format
    compare_with_client
    exec {SHARED}>>"$RUNROOT/buildsys.lock"
    flock -s "$SHARED"
    clear_attempts
    tar -xzf "$STATE/requests/$IMAGE.$BS_ATTEMPT" -C "$STATE" --no-same-owner
    rm -f "$STATE/requests/$IMAGE".*
    export BS_STORE BS_BUILDAH_IS BS_DATABASE BS_STAY=1 BS_SHOW=client BS_WORKER="${BS_WORKER:-$HOSTNAME}"
    export BS_EVENTS=/dev/fd/6
    exec 6>&1
    # If anything above this process dies, the kernel ends all that it started: nothing of a lost attempt finishes later.
    setpriv --pdeathsig KILL unshare --pid --fork --kill-child=KILL --mount-proc -- "$BASH" "$PLAN/steps/$IMAGE.sh" || status=$?
    exec 6>&-
    drop_some_intermediates
    give_back "$status"
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

# clear_attempts: remove what attempts left here that were killed: their containers and their scratch folders.
clear_attempts() {
    local marker name turn id left
    read_plan_id
    id=$PLAN_ID
    for marker in "$STATE"/working.*; do
        [[ -e $marker ]] || continue
        name=${marker#"$STATE"/working.}
        name=${name%%+*}
        if [[ $name != "$IMAGE" ]]; then
            exec {turn}>>"$STATE/attempt.$name.lock"
            flock -n "$turn" || { exec {turn}>&- && continue; }
        fi
        left=$(list_working_containers "$id" | grep -xE "buildsys-$id-$name(-READS-.*)?") || left=''
        printf '%s' "$left" | xargs -r -n 1 buildah "${STORE[@]}" rm >/dev/null || continue
        rm -rf "$STATE/scratch.$name".* "$marker"
        [[ $name == "$IMAGE" ]] || exec {turn}>&-
    done
    rm -rf "$STATE/scratch.$IMAGE".*
}

# give_back STATUS: print the mark, the status and the name of this worker, and the records of the image.
give_back() {
    local files=() name
    cd "$PLAN"
    for name in results/"$IMAGE".json logs/"$IMAGE".log state/"$IMAGE".{id,inputs,spots,keys,given,contents,exchanged,seconds} \
        state/"$IMAGE".*.checked; do
        [[ ! -f $name ]] || files+=("$name")
    done
    printf '%s%s %d %s\n' "$MARK" records "$1" "$BS_WORKER"
    ((${#files[@]} == 0)) || tar -cz --owner=0 --group=0 --numeric-owner -- "${files[@]}" | base64
    printf '%send\n' "$MARK"
}

main
