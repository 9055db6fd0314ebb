#!/bin/bash
# Stand-in for the start extension that Kolla gives to openvswitch-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/openvswitch
[ "$(stat -c %a /var/log/kolla/openvswitch)" = 755 ] || chmod 755 /var/log/kolla/openvswitch

# What the single service of this family adds.
. /usr/local/bin/kolla_openvswitch_extend_start
