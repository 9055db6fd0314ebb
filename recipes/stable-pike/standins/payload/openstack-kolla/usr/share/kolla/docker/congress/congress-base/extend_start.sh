#!/bin/bash
# Stand-in for the start extension that Kolla gives to congress-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/congress
[ "$(stat -c %a /var/log/kolla/congress)" = 755 ] || chmod 755 /var/log/kolla/congress

# What the single service of this family adds.
. /usr/local/bin/kolla_congress_extend_start
