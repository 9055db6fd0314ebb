#!/bin/bash
# Stand-in for the start extension that Kolla gives to nova-compute.

# The disks of the instances live here; the host may mount an empty /var/lib/nova.
mkdir -p /var/lib/nova/instances
