#!/bin/bash
# Stand-in for the start extension that Kolla gives to gnocchi-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/gnocchi
[ "$(stat -c %U:%G /var/log/kolla/gnocchi)" = gnocchi:kolla ] || chown gnocchi:kolla /var/log/kolla/gnocchi
[ "$(stat -c %a /var/log/kolla/gnocchi)" = 755 ] || chmod 755 /var/log/kolla/gnocchi

# What the single service of this family adds.
. /usr/local/bin/kolla_gnocchi_extend_start
