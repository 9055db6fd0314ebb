#!/bin/bash
# Stand-in for the start extension that Kolla gives to ovn-nb-db-server.
database=/var/lib/openvswitch/ovnnb.db

mkdir -p /run/openvswitch
if [ ! -e "$database" ]; then
    ovsdb-tool create "$database" /usr/share/openvswitch/ovn-nb.ovsschema
fi
