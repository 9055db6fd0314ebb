#!/bin/bash
# apt-bootstrap.sh ROOT ARGUMENTS…: mmdebstrap into an empty root. Runs in namespaces of the step: what mmdebstrap makes in
# /dev lies in memory, and is gone with them. Of the host's environment nothing reaches the packages.
set -euo pipefail
root=$1
shift
printf 'localhost\n' >/proc/sys/kernel/hostname
mkdir -m 755 "$root"/{dev,proc,sys}
mount -t tmpfs -o mode=755 buildsys "$root/dev"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
# Packages set its owner and time.
mount -t tmpfs -o mode=555 buildsys "$root/sys"
may=chown,dac_override,fowner,fsetid,kill,mknod,setfcap,setgid,setpcap,setuid,sys_chroot,audit_write
exec env -i PATH="$PATH" HOME=/root LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" PYTHONDONTWRITEBYTECODE=1 \
    setpriv --bounding-set="-all,+${may//,/,+}" mmdebstrap "$@"
