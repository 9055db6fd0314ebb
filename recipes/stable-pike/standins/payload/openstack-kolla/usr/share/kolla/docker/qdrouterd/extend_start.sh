#!/bin/bash
# Stand-in for the start extension that Kolla gives to qdrouterd.

# Where this service writes its log.
mkdir -p /var/log/kolla/qdrouterd
[ "$(stat -c %a /var/log/kolla/qdrouterd)" = 755 ] || chmod 755 /var/log/kolla/qdrouterd
