#!/bin/bash
# Stand-in for the start extension that Kolla gives to ovn-sb-db-server.
database=/var/lib/openvswitch/ovnsb.db

mkdir -p /run/openvswitch
if [ ! -e "$database" ]; then
    ovsdb-tool create "$database" /usr/share/openvswitch/ovn-sb.ovsschema
fi
