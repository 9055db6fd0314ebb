#!/bin/sh
# Stand-in for Kolla's set_configs.py. It copies no configuration: it takes the service's command out of
# config.json, when one is mounted, and leaves it where kolla_start looks for it.
config=/var/lib/kolla/config_files/config.json

if [ ! -r "$config" ]; then
    echo "kolla_set_configs: stand-in: no $config, nothing to do"
    exit 0
fi
command=$(sed -n 's/.*"command"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$config")
if [ -z "$command" ]; then
    echo "kolla_set_configs: $config names no command" >&2
    exit 1
fi
echo "kolla_set_configs: stand-in: writes /run_command, copies nothing"
printf '%s' "$command" > /run_command
