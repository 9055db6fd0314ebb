#!/bin/bash
# Stand-in for the start extension that Kolla gives to manila-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/manila
[ "$(stat -c %a /var/log/kolla/manila)" = 755 ] || chmod 755 /var/log/kolla/manila

# What the single service of this family adds.
. /usr/local/bin/kolla_manila_extend_start
