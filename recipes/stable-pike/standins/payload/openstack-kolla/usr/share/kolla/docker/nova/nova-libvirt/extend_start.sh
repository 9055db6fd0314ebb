#!/bin/bash
# Stand-in for the start extension that Kolla gives to nova-libvirt.

# Where this service writes its log.
mkdir -p /var/log/kolla/libvirt
touch /var/log/kolla/libvirt/libvirtd.log
[ "$(stat -c %a /var/log/kolla/libvirt/libvirtd.log)" = 644 ] || chmod 644 /var/log/kolla/libvirt/libvirtd.log

# The host decides who may use its hardware virtualisation.
if [ -c /dev/kvm ]; then
    chmod 660 /dev/kvm
    chown root:qemu /dev/kvm
fi
