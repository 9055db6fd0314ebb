#!/bin/bash
# Stand-in for the start extension that Kolla gives to multipathd.

# The kernel of the host is asked: a container has no modules of its own.
modprobe dm-multipath
