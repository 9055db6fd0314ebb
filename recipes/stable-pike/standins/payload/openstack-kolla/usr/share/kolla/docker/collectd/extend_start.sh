#!/bin/bash
# Stand-in for the start extension that Kolla gives to collectd.

# Where this service writes its log.
mkdir -p /var/log/kolla/collectd
[ "$(stat -c %a /var/log/kolla/collectd)" = 755 ] || chmod 755 /var/log/kolla/collectd
