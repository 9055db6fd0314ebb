#!/bin/bash
# current.sh: the images of the plan that are built as it says now, a line each: name and id. Asks the plan's own records, not
# the store; changes nothing.
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
