#!/bin/bash
# Stand-in for the start extension that Kolla gives to ironic-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/ironic
[ "$(stat -c %a /var/log/kolla/ironic)" = 755 ] || chmod 755 /var/log/kolla/ironic

# What the single service of this family adds.
. /usr/local/bin/kolla_ironic_extend_start
