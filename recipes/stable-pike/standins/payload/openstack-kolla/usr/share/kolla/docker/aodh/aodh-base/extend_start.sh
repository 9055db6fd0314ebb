#!/bin/bash
# Stand-in for the start extension that Kolla gives to aodh-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/aodh
[ "$(stat -c %U:%G /var/log/kolla/aodh)" = aodh:kolla ] || chown aodh:kolla /var/log/kolla/aodh
[ "$(stat -c %a /var/log/kolla/aodh)" = 755 ] || chmod 755 /var/log/kolla/aodh

# What the single service of this family adds.
. /usr/local/bin/kolla_aodh_extend_start
