#!/bin/bash
# current.sh: print name and id of each image whose records match the plan, a line each. Reads the plan's records, not the store;
# changes nothing.
set -euo pipefail
PLAN=$(CDPATH='' cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
LIB=$PLAN/lib
STATE=$PLAN/state
# shellcheck source=/dev/null
. "$LIB/surroundings.sh"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
# shellcheck source=/dev/null
. "$LIB/judge.sh"
[[ -d $STATE ]] || exit 0
judge_images "$PLAN/graph" | sed -n 's/^fresh //p'
