#!/bin/bash
# Stand-in for the start extension that Kolla gives to ironic-inspector.

# Where this service writes its log.
mkdir -p /var/log/kolla/ironic-inspector
[ "$(stat -c %a /var/log/kolla/ironic-inspector)" = 755 ] || chmod 755 /var/log/kolla/ironic-inspector

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    ironic-inspector-dbsync --config-file /etc/ironic-inspector/inspector.conf upgrade
    exit 0
fi
