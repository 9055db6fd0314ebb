#!/bin/bash
# Stand-in for the start extension that Kolla gives to etcd.

# Where this service writes its log.
mkdir -p /var/log/kolla/etcd
[ "$(stat -c %a /var/log/kolla/etcd)" = 755 ] || chmod 755 /var/log/kolla/etcd
