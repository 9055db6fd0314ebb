#!/bin/bash
# look.sh [FILE]: write the state of external repositories to FILE (default: state/repositories), as lines `metadata ID SHA256`, which
# are part of the build key. A run calls it once, at its start. An unreachable repository counts as unchanged: fresh images stay
# fresh without a network.
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

print_metadata() {
    local id where
    if [[ $HOST == 1 ]]; then
        if [[ -z $(list_host_repositories) ]]; then
            printf "error: this site takes packages from the host's repositories, and none is enabled\n" >&2
            printf '  hint: dnf repolist --all lists them\n' >&2
            exit 2
        fi
        write_host_metadata "$SCRATCH/metadata.host" >/dev/null || rm -f "$SCRATCH/metadata.host"
        print_hash host
        return
    fi
    while read -r id where _; do
        [[ $where == *://* ]] || continue
        fetch "${where%/}/repodata/repomd.xml" "$SCRATCH/metadata.$id" 2>/dev/null &
    done <"$PLAN/repositories"
    wait
    while read -r id where _; do
        [[ $where != *://* ]] || print_hash "$id"
    done <"$PLAN/repositories"
}

# print_hash ID: print the line of one repository.
print_hash() {
    if [[ -e $SCRATCH/metadata.$1 ]]; then
        printf 'metadata %s %s\n' "$1" "$(sha256sum <"$SCRATCH/metadata.$1" | cut -d' ' -f1)"
    else
        printf 'note: the repository %s cannot be reached; it counts as unchanged\n' "$1" >&2
        [[ ! -e $STATE/repositories ]] || grep -E "^metadata ${1//./\\.} [0-9a-f]{64}\$" "$STATE/repositories" || :
    fi
}

HELD=${1:-$STATE/repositories}
print_metadata >"$HELD.new"
mv -f "$HELD.new" "$HELD"
