#!/bin/bash
# why.sh [NAME…]: print what a run would do with these images (default: all) and why, a line each: name, decision, reason. Runs the
# decision of each step; builds nothing.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/begin.sh"
export BS_WHY=1 BS_STORE="${BS_STORE-}" BS_LISTING="$STATE/why.$$.listing" BS_IDS="$STATE/why.$$.ids"
export BS_REPOSITORIES="$STATE/why.$$.repositories"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
for room in store damage buildah database; do
    # shellcheck source=/dev/null
    . "$LIB/$room.sh"
done
mkdir -p "$STATE"
open_store
export BS_DATABASE
ask_buildah
find_database_format
export BS_DAMAGE=$STATE/why.$$.damage
SCRATCH=$STATE/scratch.why.$$
mkdir -p "$SCRATCH"
trap 'rm -rf "$BS_LISTING" "$BS_IDS" "$BS_REPOSITORIES" "$BS_DAMAGE" "$SCRATCH"' EXIT
list_damage "$SCRATCH" >"$BS_DAMAGE"
list_store >"$BS_LISTING"
: >"$BS_IDS"
# Ask the repositories, as a run does.
if [[ $NETWORK == 1 ]]; then bash "$LIB/look.sh" "$BS_REPOSITORIES"; fi

declare -A stale=() wanted=()
for name; do wanted[$name]=1; done
while read -r _ name reads; do
    for parent in $reads; do
        if [[ -n ${stale[$parent]-} ]]; then
            stale[$name]=${stale[$parent]}
            break
        fi
    done
    if [[ -n ${stale[$name]-} ]]; then
        line="$name"$'\t'waits$'\t'"decided when ${stale[$name]} is built"
    else
        if line=$("$PLAN/steps/$name.sh"); then
            printf '%s %s\n' "$name" "${line##*$'\t'}" >>"$BS_IDS"
            line=${line%$'\t'*}
        else
            line="$name"$'\t'unknown$'\t'"an image that it is built from is not in the store"
        fi
        [[ $line != *$'\t'@(stale|unknown)$'\t'* ]] || stale[$name]=$name
    fi
    if ((${#wanted[@]} == 0)) || [[ -n ${wanted[$name]-} ]]; then printf '%s\n' "$line"; fi
done <"$PLAN/graph"
