#!/bin/bash
# Stand-in for the start extension that Kolla gives to barbican-api.

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    barbican-db-manage upgrade
    exit 0
fi

# A web server that died leaves its run-time files behind; they would keep the next one from starting.
if [ "$(id -u)" -eq 0 ]; then
    rm -rf /var/run/httpd/* /run/httpd/* /tmp/httpd*
fi
