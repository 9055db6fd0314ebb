#!/bin/bash
# Stand-in for the start extension that Kolla gives to ironic-conductor.

# The kernel of the host is asked: a container has no modules of its own.
sudo modprobe iscsi_tcp
