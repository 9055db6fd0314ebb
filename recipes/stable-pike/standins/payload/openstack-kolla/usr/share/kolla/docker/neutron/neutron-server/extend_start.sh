#!/bin/bash
# Stand-in for the start extension that Kolla gives to neutron-server.

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    neutron-db-manage --config-file /etc/neutron/neutron.conf \
        --config-file /etc/neutron/plugins/ml2/ml2_conf.ini upgrade head
    exit 0
fi

# The same for service function chaining.
if [ -n "${NEUTRON_SFC_BOOTSTRAP+set}" ]; then
    neutron-db-manage --subproject networking-sfc --config-file /etc/neutron/neutron.conf upgrade head
    exit 0
fi

# Bring the database forward in the two parts that Neutron knows, then stop.
if [ -n "${KOLLA_UPGRADE+set}" ]; then
    if [ -n "${NEUTRON_DB_EXPAND+set}" ]; then
        echo "Expanding database"
        neutron-db-manage upgrade --expand
    fi
    if [ -n "${NEUTRON_DB_CONTRACT+set}" ]; then
        echo "Contracting database"
        neutron-db-manage upgrade --contract
    fi
    exit 0
fi
