#!/bin/bash
# Stand-in for the start extension that Kolla gives to horizon.

# Where this service writes its log.
mkdir -p /var/log/kolla/horizon
[ "$(stat -c %a /var/log/kolla/horizon)" = 755 ] || chmod 755 /var/log/kolla/horizon

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    /usr/bin/manage.py migrate --noinput
    exit 0
fi

# A web server that died leaves its run-time files behind; they would keep the next one from starting.
rm -rf /var/run/httpd/* /run/httpd/* /tmp/httpd*
