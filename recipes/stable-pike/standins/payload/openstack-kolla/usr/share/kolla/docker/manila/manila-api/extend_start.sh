#!/bin/bash
# Stand-in for the start extension that Kolla gives to manila-api.

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    manila-manage db sync
    exit 0
fi
