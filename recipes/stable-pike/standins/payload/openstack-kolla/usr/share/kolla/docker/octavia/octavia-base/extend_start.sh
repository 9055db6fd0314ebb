#!/bin/bash
# Stand-in for the start extension that Kolla gives to octavia-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/octavia
[ "$(stat -c %a /var/log/kolla/octavia)" = 755 ] || chmod 755 /var/log/kolla/octavia

# What the single service of this family adds.
. /usr/local/bin/kolla_octavia_extend_start
