#!/bin/bash
# Stand-in for the start extension that Kolla gives to ec2-api.

# Where this service writes its log.
mkdir -p /var/log/kolla/ec2-api
[ "$(stat -c %a /var/log/kolla/ec2-api)" = 755 ] || chmod 755 /var/log/kolla/ec2-api

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    ec2-api-manage db_sync
    exit 0
fi
