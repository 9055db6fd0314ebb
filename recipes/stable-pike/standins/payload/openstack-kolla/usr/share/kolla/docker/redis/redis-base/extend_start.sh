#!/bin/bash
# Stand-in for the start extension that Kolla gives to redis-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/redis
[ "$(stat -c %a /var/log/kolla/redis)" = 755 ] || chmod 755 /var/log/kolla/redis
