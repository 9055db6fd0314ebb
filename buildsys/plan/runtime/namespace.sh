#!/bin/bash
# Run by `unshare`, already in namespaces of its own: give the root its /dev, /proc and /sys, then the word.
# namespace.sh inside ROOT PLAN SCRATCH [NAME=DIR…]              run SCRATCH/inside with the root's own shell
# namespace.sh within ROOT PLAN SCRATCH [NAME=DIR…] COMMAND…     run a program of the root
# namespace.sh run ROOT SETTINGS COMMAND…                        the same, with the image's settings, sealed off
# namespace.sh beside ROOT [NAME=DIR…] COMMAND…                  run a program of the host
# Whoever runs finds what is lent to it as /dev/buildsys/NAME, below ROOT. ONLINE=1: it has the network.
set -euo pipefail
mode=$1 root=$2
shift 2

for directory in dev proc sys; do
    if [[ -L $root/$directory ]]; then
        printf 'error: /%s of the root is a symbolic link; it must be a directory\n' "$directory" >&2
        exit 1
    fi
    [[ -d $root/$directory ]] || mkdir -m 755 "$root/$directory"
done
# What is sealed sees a mount of its own of the root, on which devices have no power.
[[ $mode != inside && $mode != run ]] || mount --bind -o nodev "$root" "$root"
mount -t tmpfs -o mode=755 buildsys "$root/dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom "$root/dev/"
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"

# lend NAME DIR [OPTIONS]
lend() {
    mkdir -p "$root/dev/buildsys/$1"
    mount --bind ${3:+-o "$3"} "$2" "$root/dev/buildsys/$1"
}

# enter COMMAND…: within the root, with what a container may do and no more.
enter() {
    local may=chown,dac_override,fowner,fsetid,kill,mknod,setfcap,setgid,setpcap,setuid,sys_chroot,audit_write
    setpriv --bounding-set="-all,+${may//,/,+}" chroot "$root" "$@"
}

# seal COMMAND…: enter, with the root moved over the host's: who leaves the one by a trick of chroot is in it again.
seal() {
    cd "$root"
    mount --move . /
    root=.
    enter "$@"
}

# borrow FILE: the host's file in the place of the root's, and nothing left of it afterwards.
borrow() {
    local path
    path=$(enter readlink -f "$1") || return 0
    # What readlink says holds no link, so the host may follow it.
    if [[ ! -e $root$path ]]; then
        : >"$root$path" || return 0
        borrowed+=("$root$path")
    fi
    mount --bind -o ro "$1" "$root$path"
}
borrowed=()

if [[ $mode == inside || $mode == within ]]; then
    lend plan "$1" ro
    lend scratch "$2"
    shift 2
elif [[ $mode == run ]]; then
    mapfile -d '' -t settings <"$1"
    shift
    printf 'localhost\n' >/proc/sys/kernel/hostname
    mkdir "$root/dev/pts"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
    ln -s pts/ptmx /proc/self/fd/0 "$root/dev/"
fi
while [[ $mode != run && ${1-} == *=* ]]; do
    case ${1%%=*} in
        cache) lend cache "${1#*=}" ;;
        *) lend "${1%%=*}" "${1#*=}" ro ;;
    esac
    shift
done
if [[ $mode != inside ]]; then
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys" 2>/dev/null || mount --rbind /sys "$root/sys"
fi

# Of the host's environment only what serves the network goes in, and only to whom has the network.
if [[ $mode != beside ]]; then
    HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
fi
while IFS= read -r name; do
    case $name in
        PATH | HOME | SOURCE_DATE_EPOCH | BS_DNF_PLUGINS) continue ;;
        *_proxy | *_PROXY | SSL_CERT_FILE | SSL_CERT_DIR | CURL_CA_BUNDLE) [[ ${ONLINE-} != 1 ]] || continue ;;
    esac
    declare +x "$name"
done < <(compgen -e)
export HOME PATH LC_ALL=C TZ=UTC

status=0
case $mode in
    beside) "$@" || status=$? ;;
    inside) enter /bin/sh -eu /dev/buildsys/scratch/inside || status=$? ;;
    within)
        if [[ ${ONLINE-} == 1 ]]; then
            borrow /etc/resolv.conf
            borrow /etc/hosts
        fi
        enter "$@" || status=$?
        ;;
esac

if ((${#borrowed[@]})); then
    umount "${borrowed[@]}"
    rm -f "${borrowed[@]}"
fi
if ((${#made[@]})) && [[ $mode == inside ]]; then
    umount -R "$root/dev"
    rmdir "${made[@]}"
fi
exit "$status"
