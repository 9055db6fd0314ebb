#!/bin/bash
# Stand-in for the start extension that Kolla gives to cinder-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/cinder
[ "$(stat -c %a /var/log/kolla/cinder)" = 755 ] || chmod 755 /var/log/kolla/cinder

# What the single service of this family adds.
. /usr/local/bin/kolla_cinder_extend_start
