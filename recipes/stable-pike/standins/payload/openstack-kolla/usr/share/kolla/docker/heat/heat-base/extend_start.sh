#!/bin/bash
# Stand-in for the start extension that Kolla gives to heat-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/heat
[ "$(stat -c %a /var/log/kolla/heat)" = 755 ] || chmod 755 /var/log/kolla/heat

# A web server that died leaves its run-time files behind; they would keep the next one from starting.
if [ "$(id -u)" -eq 0 ]; then
    rm -rf /var/run/httpd/* /run/httpd/* /tmp/httpd*
fi

# What the single service of this family adds.
. /usr/local/bin/kolla_heat_extend_start
