#!/bin/bash
# Stand-in for the start extension that Kolla gives to ceilometer-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/ceilometer
[ "$(stat -c %U:%G /var/log/kolla/ceilometer)" = ceilometer:kolla ] || chown ceilometer:kolla /var/log/kolla/ceilometer
[ "$(stat -c %a /var/log/kolla/ceilometer)" = 755 ] || chmod 755 /var/log/kolla/ceilometer

# What the single service of this family adds.
. /usr/local/bin/kolla_ceilometer_extend_start
