#!/bin/bash
# Stand-in for the start extension that Kolla gives to mistral-api.

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    mistral-db-manage --config-file /etc/mistral/mistral.conf upgrade head
    mistral-db-manage --config-file /etc/mistral/mistral.conf populate
    exit 0
fi
