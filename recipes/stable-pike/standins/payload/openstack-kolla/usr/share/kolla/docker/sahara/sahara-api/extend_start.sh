#!/bin/bash
# Stand-in for the start extension that Kolla gives to sahara-api.

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    sahara-db-manage --config-file /etc/sahara/sahara.conf upgrade head
    exit 0
fi
