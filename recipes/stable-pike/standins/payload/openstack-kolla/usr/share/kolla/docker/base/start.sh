#!/bin/bash
# Stand-in for Kolla's start script: fetches the configuration, reads the service's command, prepares, runs it.
set -o errexit

sudo -E kolla_set_configs

if [ -r /run_command ]; then
    CMD=$(cat /run_command)
fi
if [ -z "${CMD-}" ]; then
    echo "kolla_start: no command: neither /run_command nor \$CMD names one" >&2
    exit 1
fi
ARGS=""

if [ -z "${KOLLA_SKIP_EXTEND_START+set}" ]; then
    # It may set ARGS, and it may end this start (a bootstrap does).
    . kolla_extend_start
fi

echo "Running command: $CMD${ARGS:+ $ARGS}"
# shellcheck disable=SC2086 # words of a command
set -- $CMD $ARGS
# With its path: BusyBox's shell takes its own httpd or crond before any other.
program=$(which "$1") || program=$1
shift
exec "$program" "$@"
