#!/bin/bash
# Stand-in for the start extension that Kolla gives to sahara-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/sahara
[ "$(stat -c %a /var/log/kolla/sahara)" = 755 ] || chmod 755 /var/log/kolla/sahara

# What the single service of this family adds.
. /usr/local/bin/kolla_sahara_extend_start
