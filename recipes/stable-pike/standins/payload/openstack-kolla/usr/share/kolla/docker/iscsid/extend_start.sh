#!/bin/bash
# Stand-in for the start extension that Kolla gives to iscsid.

# The image has no initiator name: every container needs its own.
if [ ! -e /etc/iscsi/initiatorname.iscsi ]; then
    echo "InitiatorName=$(/sbin/iscsi-iname)" > /etc/iscsi/initiatorname.iscsi
fi
