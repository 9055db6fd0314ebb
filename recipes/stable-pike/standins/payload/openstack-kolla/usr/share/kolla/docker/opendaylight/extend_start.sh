#!/bin/bash
# Stand-in for the start extension that Kolla gives to opendaylight.

# Where this service writes its log.
mkdir -p /var/log/kolla/opendaylight
[ "$(stat -c %a /var/log/kolla/opendaylight)" = 755 ] || chmod 755 /var/log/kolla/opendaylight
