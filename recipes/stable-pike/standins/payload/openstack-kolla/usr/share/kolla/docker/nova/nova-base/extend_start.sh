#!/bin/bash
# Stand-in for the start extension that Kolla gives to nova-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/nova
[ "$(stat -c %a /var/log/kolla/nova)" = 755 ] || chmod 755 /var/log/kolla/nova

# What the single service of this family adds.
. /usr/local/bin/kolla_nova_extend_start
