#!/bin/bash
# discard.sh: remove the container store that BS_STORE names, with its mounts. Only a store below the plan's directory: another store may
# hold the images of others. An ordinary user cannot remove it outside of the user namespace, whose ids own its files.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/begin.sh"
# shellcheck source=/dev/null
. "$LIB/store.sh"
: "${BS_STORE=}"

open_store
for place in "$GRAPHROOT" "$RUNROOT"; do
    [[ $(realpath -m -- "$place") == "$PLAN"/?* ]] ||
        decline "the store $place is not below the plan's directory" 'remove it by hand, if no image of it is needed'
done
exec {ALONE}>>"$RUNROOT/buildsys.lock"
flock -n -x "$ALONE" || decline 'the store is in use' 'discard it when the build has ended' 1
while read -r _ _ _ _ point _; do
    printf -v point '%b' "$point"
    [[ $point != "$GRAPHROOT"/* && $point != "$RUNROOT"/* ]] || umount -- "$point"
done < <(tac /proc/self/mountinfo)
rm -rf --one-file-system -- "$GRAPHROOT" "$RUNROOT"
