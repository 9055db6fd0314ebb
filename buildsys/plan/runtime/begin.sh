# The beginning of each program that a person or make calls: where the plan lies, and the rights to build. An ordinary user, or root in a
# chroot, starts the program again, once, in namespaces of its own.

PLAN=$(CDPATH='' cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
LIB=$PLAN/lib
STATE=$PLAN/state
# shellcheck source=/dev/null
. "$LIB/surroundings.sh"
# shellcheck source=/dev/null
. "$LIB/user.sh"
# shellcheck source=/dev/null
. "$LIB/chroot.sh"
as_root_of_a_namespace "$@"
as_root_of_a_mount "$@"
