#!/bin/bash
# Stand-in: starts the server of OVN's southbound database, on a socket and on an address.
# Usage: start-sb-db-server ADDRESS [PORT]
address=$1
port=${2:-6642}

exec ovsdb-server /var/lib/openvswitch/ovnsb.db --log-file=/var/log/kolla/openvswitch/ovsdb-server-sb.log \
    --remote=punix:/run/openvswitch/ovnsb_db.sock --remote="ptcp:$port:$address" --unixctl=ovnsb_db.ctl
