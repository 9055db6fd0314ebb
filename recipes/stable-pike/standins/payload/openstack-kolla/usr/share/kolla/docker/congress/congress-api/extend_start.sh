#!/bin/bash
# Stand-in for the start extension that Kolla gives to congress-api.

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    congress-db-manage --config-file /etc/congress/congress.conf upgrade head
    exit 0
fi
