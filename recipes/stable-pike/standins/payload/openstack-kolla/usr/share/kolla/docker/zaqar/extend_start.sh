#!/bin/bash
# Stand-in for the start extension that Kolla gives to zaqar.

# Where this service writes its log.
mkdir -p /var/log/kolla/zaqar
[ "$(stat -c %a /var/log/kolla/zaqar)" = 755 ] || chmod 755 /var/log/kolla/zaqar

# A web server that died leaves its run-time files behind; they would keep the next one from starting.
if [ "$(id -u)" -eq 0 ]; then
    rm -rf /var/run/httpd/* /run/httpd/* /tmp/httpd*
fi
