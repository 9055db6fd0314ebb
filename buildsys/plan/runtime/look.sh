#!/bin/bash
# look.sh [FILE]: what the repositories that the plan does not carry hold now: `metadata ID SHA256` lines of FILE, else
# of state/repositories; they belong to the build key. Run once, when a run begins. A repository that cannot be
# reached is taken as unchanged: what is fresh stays fresh without a network.
set -euo pipefail
PLAN=$(CDPATH='' cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
LIB=$PLAN/lib
STATE=$PLAN/state
IMAGE=look SPOT=$PLAN SCRATCH=$(mktemp -d "$STATE/scratch.look.$$.XXXXXX")
ROOT=$SCRATCH/root
trap 'rm -rf "$SCRATCH"' EXIT
mkdir "$ROOT"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
for room in log database enter packages; do
    # shellcheck source=/dev/null
    . "$LIB/$room.sh"
done

look() {
    local id where
    if [[ $HOST == 1 ]]; then
        if [[ -z $(host_repositories) ]]; then
            printf "error: this site takes packages from the host's own repositories, and none is enabled\n" >&2
            printf '  hint: dnf repolist --all lists them\n' >&2
            exit 2
        fi
        host_metadata "$SCRATCH/metadata.host" >/dev/null || rm -f "$SCRATCH/metadata.host"
        report host
        return
    fi
    while read -r id where _; do
        [[ $where == *://* ]] || continue
        fetch "${where%/}/repodata/repomd.xml" "$SCRATCH/metadata.$id" 2>/dev/null &
    done <"$PLAN/repositories"
    wait
    while read -r id where _; do
        [[ $where != *://* ]] || report "$id"
    done <"$PLAN/repositories"
}

# report ID
report() {
    if [[ -e $SCRATCH/metadata.$1 ]]; then
        printf 'metadata %s %s\n' "$1" "$(sha256sum <"$SCRATCH/metadata.$1" | cut -d' ' -f1)"
    else
        printf 'note: the repository %s cannot be reached; it is taken as unchanged\n' "$1" >&2
        [[ ! -e $STATE/repositories ]] || grep -E "^metadata ${1//./\\.} [0-9a-f]{64}\$" "$STATE/repositories" || :
    fi
}

HELD=${1:-$STATE/repositories}
look >"$HELD.new"
mv -f "$HELD.new" "$HELD"
