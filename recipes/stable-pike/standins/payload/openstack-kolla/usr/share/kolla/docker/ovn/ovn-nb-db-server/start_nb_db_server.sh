#!/bin/bash
# Stand-in: starts the server of OVN's northbound database, on a socket and on an address.
# Usage: start-nb-db-server ADDRESS [PORT]
address=$1
port=${2:-6641}

exec ovsdb-server /var/lib/openvswitch/ovnnb.db --log-file=/var/log/kolla/openvswitch/ovsdb-server-nb.log \
    --remote=punix:/run/openvswitch/ovnnb_db.sock --remote="ptcp:$port:$address" --unixctl=ovnnb_db.ctl
