#!/bin/bash
# Run by `unshare`, already in namespaces of its own: give the root its /dev, /proc and /sys, then the word.
# namespace.sh inside ROOT PLAN SCRATCH [NAME=DIR…]              run SCRATCH/inside with the root's own shell
# namespace.sh within ROOT PLAN SCRATCH [NAME=DIR…] COMMAND…     run a program of the root
# namespace.sh beside ROOT [NAME=DIR…] COMMAND…                  run a program of the host
# namespace.sh run ROOT SETTINGS COMMAND…                        run a recipe's program, with its image's settings
# Whoever runs finds what is lent to it as /dev/buildsys/NAME, below ROOT. ONLINE=1: it has the network.
set -euo pipefail
mode=$1 root=$2
shift 2

# Nothing of the caller's is open to whoever runs: its terminal, its locks. The last is this file, which bash closes itself.
[[ $mode == beside ]] || exec </dev/null
for descriptor in /proc/self/fd/*; do
    descriptor=${descriptor##*/}
    ((descriptor <= 2 || descriptor == 255)) || exec {descriptor}>&-
done

# Scripts of packages write the host's name into what they configure.
printf 'localhost\n' >/proc/sys/kernel/hostname
missing=()
for directory in dev proc sys; do
    if [[ -L $root/$directory ]]; then
        printf 'error: /%s of the root is a symbolic link; it must be a directory\n' "$directory" >&2
        exit 1
    fi
    [[ -d $root/$directory ]] || missing+=("$root/$directory")
done
((${#missing[@]} == 0)) || mkdir -m 755 "${missing[@]}"
# A mount of its own, to be moved in `seal`; device files of the image have no power on it.
[[ $mode == beside ]] || mount --bind -o nodev "$root" "$root"
mount -t tmpfs -o mode=755 buildsys "$root/dev"
devices=(null zero full random urandom)
if ! cp -a "${devices[@]/#//dev/}" /dev/fd "$root/dev/" 2>/dev/null; then
    # In the namespace of an ordinary user nobody makes devices; those of the host may be lent.
    for device in "${devices[@]}"; do
        : >"$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
fi
made=(shm)
case $mode in
    inside | within) made+=(buildsys/plan buildsys/scratch) ;;
    run) made+=(pts) ;;
esac
# shellcheck disable=SC2174 # what is mounted over needs no mode
mkdir -p -m 1777 "${made[@]/#/"$root/dev/"}"

# lend NAME DIR [OPTIONS]
lend() {
    [[ -d $root/dev/buildsys/$1 ]] || mkdir -p "$root/dev/buildsys/$1"
    mount --bind ${3:+-o "$3"} "$2" "$root/dev/buildsys/$1"
}

# limited COMMAND…: with what a container may do and no more.
MAY=chown,dac_override,fowner,fsetid,kill,mknod,setfcap,setgid,setpcap,setuid,sys_chroot,audit_write
limited() { setpriv --bounding-set="-all,+${MAY//,/,+}" "$@"; }

# enter COMMAND…: a program of the root.
enter() { limited chroot "$root" "$@"; }

# seal: from here on the root lies over the host's; who leaves it by a trick of chroot is in it again.
seal() {
    cd "$root" && mount --move . / || exit
    root=.
}

# borrow FILE: the host's file in the place of the root's, and nothing left of it afterwards. Where that is the root's
# own programs find out, and make the file; then none of them is left that could put a link into what they said.
borrow() {
    local path
    # shellcheck disable=SC2016 # for the shell inside
    path=$(enter /bin/sh -c 'path=$(readlink -f "$1") || exit 0
        [ -e "$path" ] || { : >"$path" && printf "new "; } && printf "%s" "$path"' sh "$1") || return 0
    kill -KILL -1 2>/dev/null || :
    [[ $path != "new "* ]] || made_files+=("${path#new }")
    path=./${path#new }
    no_link "$path" || return 0
    # The working directory is the root: no path from the host's root leads there, so none is to be made of these.
    mount --no-canonicalize --bind -o ro "$1" "$path"
    borrowed+=("/proc/self/cwd/$path")
}
borrowed=() made_files=()

# no_link PATH: is it a plain file, and no part of it a link or a way back?
no_link() {
    local rest=$1
    [[ -f $rest && $rest != *..* ]] || return
    while [[ $rest == */* ]]; do
        [[ ! -L $rest ]] || return
        rest=${rest%/*}
    done
}

case $mode in
    inside | within)
        lend plan "$1" ro
        lend scratch "$2"
        shift 2
        ;;
    run)
        mapfile -d '' -t settings <"$1"
        shift
        mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
        ln -s pts/ptmx "$root/dev/"
        ;;
esac
while [[ $mode != run && ${1-} == *=* ]]; do
    case ${1%%=*} in
        cache) lend cache "${1#*=}" ;;
        *) lend "${1%%=*}" "${1#*=}" ro ;;
    esac
    shift
done
if [[ $mode != inside ]]; then
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    # Whoever is root can set the host's kernel through /proc/sys.
    [[ $mode == beside ]] || mount -o remount,bind,ro "$root/proc"
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
    if [[ $name == declare\ * ]]; then unset -f "${name##* }"; else declare +x "$name"; fi
done < <(compgen -e && declare -Fx)
export HOME PATH LC_ALL=C TZ=UTC

# recipe COMMAND…: with the environment and in the working directory of the image, and no files for new devices. Both are
# seen to by the root's own programs: a variable may mean something to the host's loader.
recipe() {
    local setting given=() MAY=${MAY/mknod,/}
    for setting in "${settings[@]:1}"; do
        # What has no name nobody can ask for.
        [[ $setting == "PATH=$PATH" || $setting != [!-=]*=* ]] || given+=("$setting")
    done
    # shellcheck disable=SC2016 # for the shell inside
    [[ ${settings[0]:-/} == / ]] || set -- /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "${settings[0]}" "$@"
    ((${#given[@]} == 0)) || set -- env -- "${given[@]}" SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" "$@"
    export HOSTNAME=localhost
    unset LC_ALL TZ
    enter "$@"
}

status=0
[[ $mode == beside ]] || seal
case $mode in
    beside) limited "$@" || status=$? ;;
    run) recipe "$@" || status=$? ;;
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
    kill -KILL -1 2>/dev/null || :
    umount --no-canonicalize "${borrowed[@]}"
    ((${#made_files[@]} == 0)) || enter rm -f "${made_files[@]}"
fi
exit "$status"
