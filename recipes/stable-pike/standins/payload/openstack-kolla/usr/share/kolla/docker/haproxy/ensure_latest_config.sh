#!/bin/bash
# Stand-in: when the mounted haproxy.cfg differs from the running one, takes the new one and lets haproxy reload.
running=/etc/haproxy/haproxy.cfg
mounted=/var/lib/kolla/config_files/haproxy.cfg

digest() { sha1sum "$1" | cut -d ' ' -f 1; }

if [ "$(digest "$running")" != "$(digest "$mounted")" ]; then
    sudo -E kolla_set_configs
    kill -USR2 "$(pidof haproxy-systemd-wrapper)"
fi
