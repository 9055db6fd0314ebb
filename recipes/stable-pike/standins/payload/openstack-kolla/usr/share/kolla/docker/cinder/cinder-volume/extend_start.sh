#!/bin/bash
# Stand-in for the start extension that Kolla gives to cinder-volume.

# Both directories are mounted from the host and must belong to the service.
for directory in /var/lib/cinder /etc/iscsi; do
    [ "$(stat -c %U:%G $directory)" = cinder:kolla ] || sudo chown -R cinder:kolla $directory
    [ "$(stat -c %a $directory)" = 2775 ] || sudo chmod 2775 $directory
done
