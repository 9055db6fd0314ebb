#!/bin/bash
# Stand-in for the start extension that Kolla gives to ironic-pxe.

# Put the boot programs where the TFTP server offers them, then stop.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    chown -R ironic: /tftpboot
    for pxe_file in /var/lib/tftpboot/pxelinux.0 /usr/share/ipxe/undionly.kpxe; do
        if [ -e "$pxe_file" ]; then
            cp "$pxe_file" /tftpboot
        fi
    done
    exit 0
fi

# A web server that died leaves its run-time files behind; they would keep the next one from starting.
rm -rf /var/run/httpd/* /run/httpd/* /tmp/httpd*
