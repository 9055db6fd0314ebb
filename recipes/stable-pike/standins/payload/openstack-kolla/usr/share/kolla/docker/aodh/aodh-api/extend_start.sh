#!/bin/bash
# Stand-in for the start extension that Kolla gives to aodh-api.

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    aodh-dbsync
    exit 0
fi

# A web server that died leaves its run-time files behind; they would keep the next one from starting.
rm -rf /var/run/httpd/* /run/httpd/* /tmp/httpd*
