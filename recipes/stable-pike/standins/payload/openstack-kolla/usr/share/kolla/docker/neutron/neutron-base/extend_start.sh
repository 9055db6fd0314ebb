#!/bin/bash
# Stand-in for the start extension that Kolla gives to neutron-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/neutron
[ "$(stat -c %a /var/log/kolla/neutron)" = 755 ] || chmod 755 /var/log/kolla/neutron

# What the single service of this family adds.
. /usr/local/bin/kolla_neutron_extend_start
