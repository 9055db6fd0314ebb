#!/bin/bash
# Stand-in for the start extension that Kolla gives to octavia-api.

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    octavia-db-manage upgrade head
    exit 0
fi
