#!/bin/bash
# Stand-in for the start extension that Kolla gives to glance-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/glance
[ "$(stat -c %a /var/log/kolla/glance)" = 755 ] || chmod 755 /var/log/kolla/glance

# What the single service of this family adds.
. /usr/local/bin/kolla_glance_extend_start
