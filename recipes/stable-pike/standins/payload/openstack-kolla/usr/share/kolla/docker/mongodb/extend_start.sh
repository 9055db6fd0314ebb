#!/bin/bash
# Stand-in for the start extension that Kolla gives to mongodb.

# Where this service writes its log.
mkdir -p /var/log/kolla/mongodb
[ "$(stat -c %a /var/log/kolla/mongodb)" = 755 ] || chmod 755 /var/log/kolla/mongodb

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    sudo chown mongodb: /var/lib/mongodb/
    exit 0
fi
