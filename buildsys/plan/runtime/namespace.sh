#!/bin/bash
# Run by `unshare`, already in namespaces of its own: give the root its /dev, /proc and /sys, then the word.
# namespace.sh inside ROOT PLAN SCRATCH [NAME=DIR…]   run SCRATCH/inside with the root's own shell
# namespace.sh beside ROOT COMMAND…                   run a program of the host
set -euo pipefail
mode=$1 root=$2
shift 2

made=()
for directory in dev proc sys; do
    if [[ -L $root/$directory ]]; then
        printf 'error: /%s of the root is a symbolic link; it must be a directory\n' "$directory" >&2
        exit 1
    fi
    if [[ ! -d $root/$directory ]]; then
        mkdir -m 755 "$root/$directory"
        made+=("$root/$directory")
    fi
done
mount -t tmpfs -o mode=755 buildsys "$root/dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom "$root/dev/"
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"

status=0
if [[ $mode == inside ]]; then
    plan=$1 scratch=$2
    shift 2
    mkdir -p "$root/dev/buildsys/plan" "$root/dev/buildsys/scratch"
    mount --bind -o ro "$plan" "$root/dev/buildsys/plan"
    mount --bind "$scratch" "$root/dev/buildsys/scratch"
    for source in "$@"; do
        mkdir -p "$root/dev/buildsys/${source%%=*}"
        mount --bind -o ro "${source#*=}" "$root/dev/buildsys/${source%%=*}"
    done
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TZ=UTC \
        SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
        chroot "$root" /bin/sh -eu /dev/buildsys/scratch/inside || status=$?
else
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys" 2>/dev/null || mount --rbind /sys "$root/sys"
    "$@" || status=$?
fi

if ((${#made[@]})) && [[ $mode == inside ]]; then
    umount -R "$root/dev"
    rmdir "${made[@]}"
fi
exit "$status"
