#!/bin/bash
# Stand-in for the start extension that Kolla gives to keystone.

# In a cluster orchestrated elsewhere the fernet keys come from there.
kolla_kubernetes() {
    [ -d /etc/keystone/fernet-keys ] || sudo -H -u keystone keystone-manage fernet_setup
}

# Where this service writes its log.
mkdir -p /var/log/kolla/keystone
[ "$(stat -c %U:%G /var/log/kolla/keystone)" = keystone:kolla ] || chown keystone:kolla /var/log/kolla/keystone
[ "$(stat -c %a /var/log/kolla/keystone)" = 755 ] || chmod 755 /var/log/kolla/keystone

if [ -n "${KOLLA_KUBERNETES+set}" ]; then
    kolla_kubernetes
fi

# Bring the database forward, then stop.
if [ -n "${KOLLA_UPGRADE+set}" ]; then
    sudo -H -u keystone keystone-manage db_sync --expand
    sudo -H -u keystone keystone-manage db_sync --migrate
    exit 0
fi

# Drop what only the old release needed, then stop.
if [ -n "${KOLLA_FINISH_UPGRADE+set}" ]; then
    sudo -H -u keystone keystone-manage db_sync --contract
    exit 0
fi

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    sudo -H -u keystone keystone-manage db_sync
    exit 0
fi

# A web server that died leaves its run-time files behind; they would keep the next one from starting.
rm -rf /var/run/httpd/* /run/httpd/* /tmp/httpd*
