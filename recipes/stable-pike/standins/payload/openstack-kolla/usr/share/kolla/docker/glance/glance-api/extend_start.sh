#!/bin/bash
# Stand-in for the start extension that Kolla gives to glance-api.

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    glance-manage db_sync
    glance-manage db_load_metadefs
    exit 0
fi
