#!/bin/bash
# Stand-in for the start extension that Kolla gives to barbican-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/barbican
[ "$(stat -c %U:%G /var/log/kolla/barbican)" = barbican:kolla ] || chown barbican:kolla /var/log/kolla/barbican
[ "$(stat -c %a /var/log/kolla/barbican)" = 755 ] || chmod 755 /var/log/kolla/barbican

# What the single service of this family adds.
. /usr/local/bin/kolla_barbican_extend_start
