# Entering a root: bwrap makes the root the whole file system of a program, in new namespaces. No program of the host opens a path below
# a root, because it would follow the root's links out of it.
#
# Each entry has the capabilities and the system calls of a container, a /dev with five harmless devices, a read-only /proc, an empty
# /sys in memory, no network, a new environment, and no open file of the caller. Changes of packages to /dev, /proc and /sys reach neither
# the host nor the image.

# shellcheck source=/dev/null
. "$LIB/programs.sh"

# ONLINE=1 before one of these functions gives it the network.
ONLINE=''

# inside <<END: run verbs of lib/inside.sh within the root, an instruction a line. Consecutive data instructions share one entry of a few
# milliseconds.
inside() {
    local text KIT=() shell=(/bin/sh)
    text=$'. /dev/buildsys/plan/lib/inside.sh\n'$(</dev/stdin)
    lend_scratch || return
    if [[ -n ${BARE-} ]]; then
        # A root that began empty need not have a shell: the host's runs there, with the host's programs.
        open_kit kit.bare sh "${COPYING[@]}" "${BASIC[@]}" || return
        text=$'. /dev/buildsys/plan/lib/bare.sh\n'$text
        shell=("${KIT_LOADER[@]}" /dev/buildsys/kit/bin/sh)
    fi
    # Only these verbs copy with the host's programs.
    [[ -n ${BARE-} || ! $text =~ $'\n'(optional )?(attributes|duplicate|move|other|payload)' ' ]] || open_kit kit.copying "${COPYING[@]}" || return
    # On a full disk an incomplete script would do half of the work and succeed.
    printf '%s\n' "$text" >"$LENT/inside" || return
    # The shell inside writes its current Spot to a file, because an ERR trap here does not see it.
    enter inside "${SOURCES[@]}" -- "${shell[@]}" -eu /dev/buildsys/scratch/inside </dev/null || {
        local status=$?
        ! is_plain_file "$LENT/spot" || read -r SPOT <"$LENT/spot" || :
        return "$status"
    }
}

# known_user USER[:GROUP]: fail if the root does not have the account, or the group. A container asks the same two files.
known_user() {
    local group=''
    [[ $1 != *:?* ]] || group=${1#*:}
    has_entry "${1%%:*}" passwd && has_entry "$group" group
}

# has_entry NAME FILE: is NAME empty, a number, or the name of an entry of /etc/FILE? The host's grep looks within the root, and waits
# for no pipe.
has_entry() {
    local what=account KIT=()
    [[ -n ${1//[0-9]/} ]] || return 0
    open_kit kit.entry grep && lend_scratch || return
    ! enter kit -- "${KIT_LOADER[@]}" /dev/buildsys/kit/bin/grep -qs -D skip "^${1//./[.]}:" "/etc/$2" </dev/null || return 0
    [[ $2 == passwd ]] || what=group
    printf 'error: the image has no %s %s\n' "$what" "$1"
    printf '  hint: declare it under accounts:, install the package that makes it, or write a number\n'
    return 1
}

# within [NAME=DIR…] COMMAND…: run a program of the root. /dev/buildsys has the plan, LENT as `scratch`, and each DIR as NAME; only
# `scratch` and `cache` are writable.
within() {
    local lent=()
    while [[ ${1-} == *=* ]]; do
        lent+=("$1")
        shift
    done
    lend_scratch || return
    enter within "${lent[@]}" -- "$@" </dev/null
}

# with_kit [NAME=DIR…] PROGRAM ARGUMENT…: run a program of the host in the root, with the caller's standard input. The program and its
# libraries are mounted as single files.
with_kit() {
    local lent=() program
    while [[ ${1-} == *=* ]]; do
        lent+=("$1")
        shift
    done
    program=$1
    shift
    # shellcheck disable=SC2086 # words
    open_kit kit $KIT_PROGRAMS || return
    lend_scratch || return
    enter kit "${lent[@]}" -- "${KIT_LOADER[@]}" "/dev/buildsys/kit/bin/$program" "$@"
}

# lend_scratch: set LENT, a new folder that the next entry may write in. The host writes there only before the entry, and afterwards reads
# only plain files, because programs of the root may leave links.
lend_scratch() {
    LENT=$SCRATCH/lent.$BASHPID.$((++LENDINGS))
    mkdir -p "$LENT"
}
LENDINGS=0

# is_plain_file PATH: is it a file, and not a link?
is_plain_file() { [[ -f $1 && ! -L $1 ]]; }

# run [--open-files N] ARGV…: a recipe's `run`, with the environment and the working directory of the parent's configuration.
run() {
    local limit=()
    if [[ $1 == --open-files ]]; then
        # shellcheck disable=SC2016 # for the shell inside
        limit=(/bin/sh -c 'ulimit -n "$1" 2>/dev/null || ulimit -n "$(ulimit -Hn)"; shift; exec "$@"' sh "$2")
        shift 2
    fi
    RUNNING=yes
    write_parent_settings
    enter run -- "${limit[@]}" "$@" </dev/null
    RUNNING=''
}
RUNNING=''

# write_parent_settings: set SETTINGS, a file with the working directory and the environment of the parent's configuration, each followed
# by NUL. It is written once a run for each parent.
write_parent_settings() {
    SETTINGS=$STATE/settings.$PARENT
    [[ ! -e $SETTINGS ]] || return 0
    if [[ $PARENT == scratch ]]; then
        : >"$SCRATCH/settings"
    else
        buildah inspect --type image --format \
            '{{.OCIv1.Config.WorkingDir}}{{"\x00"}}{{range .OCIv1.Config.Env}}{{.}}{{"\x00"}}{{end}}' "$PARENT" \
            >"$SCRATCH/settings"
    fi
    mv "$SCRATCH/settings" "$SETTINGS"
}

# The capabilities of a container without sys_chroot: if the host itself runs in a chroot, a second chroot leads out of both. A recipe's
# `run` has no mknod; packages create device files, which have no effect.
CAPABILITIES=(chown dac_override fowner fsetid kill mknod setfcap setgid setpcap setuid audit_write)
BWRAP=$(type -P bwrap) || :
SEARCH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# enter MODE [NAME=DIR…] -- COMMAND…: the only way into the root. MODE: inside, within, kit, run.
enter() {
    local mode=$1 capability directory options environment made=() borrowed=() new_files=() status=0
    shift
    for directory in dev proc sys; do
        if [[ -L $ROOT/$directory ]]; then
            printf 'error: /%s of the root is a symbolic link; it must be a directory\n' "$directory" >&2
            return 1
        elif [[ -e $ROOT/$directory && ! -d $ROOT/$directory ]]; then
            printf 'error: /%s of the root is a file; it must be a directory\n' "$directory" >&2
            return 1
        fi
        # A minimal image may lack these folders. bwrap creates them as mount points; they are removed afterwards.
        [[ $mode == within || $mode$directory == insideproc || -d $ROOT/$directory ]] || made+=("$ROOT/$directory")
    done
    options=(--unshare-ipc --unshare-pid --unshare-uts --hostname localhost --die-with-parent --new-session --cap-drop ALL)
    [[ $ONLINE == 1 ]] || options+=(--unshare-net)
    for capability in "${CAPABILITIES[@]}"; do
        [[ $mode == run && $capability == mknod ]] || options+=(--cap-add "CAP_${capability^^}")
    done
    options+=(--bind "$ROOT" / --dev /dev --perms 1777 --tmpfs /dev/shm --perms 0555 --tmpfs /sys)
    [[ $mode == inside ]] || options+=(--proc /proc --remount-ro /proc)
    environment=(HOME=/root PATH="$SEARCH" SOURCE_DATE_EPOCH="$BS_EPOCH")
    if [[ $mode == run ]]; then
        environment+=(HOSTNAME=localhost)
        add_parent_settings
    else
        environment+=(LC_ALL=C TZ=UTC)
        options+=(--chdir / --bind "$LENT" /dev/buildsys/scratch)
        for directory in lib context pool state/keys state/downloads; do
            options+=(--ro-bind-try "$PLAN/$directory" "/dev/buildsys/plan/$directory")
        done
        [[ $mode == within ]] || options+=("${KIT[@]}")
    fi
    while [[ $1 != -- ]]; do
        if [[ $1 == cache=* ]]; then options+=(--bind); else options+=(--ro-bind); fi
        options+=("${1#*=}" "/dev/buildsys/${1%%=*}")
        shift
    done
    if [[ $ONLINE == 1 ]]; then
        pass_network_settings
        # Set logins through the descriptor: the environment of bwrap is part of a command line for a moment.
        for capability in "${LOGINS[@]}"; do options+=(--setenv "${capability%%=*}" "${capability#*=}"); done
        show_host_file /etc/resolv.conf || return
        show_host_file /etc/hosts || return
    fi
    run_sealed "${@:2}" || status=$?
    borrowed=()
    ((${#new_files[@]} == 0)) || run_sealed rm -f "${new_files[@]}" || status=$?
    for directory in "${made[@]}"; do [[ ! -d $directory ]] || rmdir "$directory" || :; done
    return "$status"
}

# add_parent_settings: add the settings as options of bwrap, so that no program of the host sees them.
add_parent_settings() {
    local settings=() setting
    mapfile -d '' -t settings <"$SETTINGS"
    # Without --chdir bwrap keeps the caller's working directory if the root has one with that path.
    options+=(--chdir "${settings[0]:-/}")
    ((${#settings[@]})) || return 0
    for setting in "${settings[@]:1}"; do
        # Skip entries without a name.
        [[ $setting != [!=]*=* ]] || options+=(--setenv "${setting%%=*}" "${setting#*=}")
    done
    options+=(--setenv SOURCE_DATE_EPOCH "$BS_EPOCH")
}

# pass_network_settings: pass the variables for proxies and certificates from the host's environment.
pass_network_settings() {
    local name
    for name in {http,https,ftp,all,no}_proxy {HTTP,HTTPS,FTP,ALL,NO}_PROXY SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE; do
        [[ ! -v $name ]] || environment+=("$name=${!name}")
    done
}

# show_host_file FILE: mount the host's file over the root's. Programs of the root resolve the path and create the file; they have ended
# before the host uses the path.
show_host_file() {
    local path
    # shellcheck disable=SC2016 # for the shell inside
    path=$(run_sealed /bin/sh -c 'path=$(readlink -f "$1") || exit 0
        [ -e "$path" ] || { : >"$path" && printf "new "; } && printf "%s" "$path"' sh "$1" </dev/null) || return 0
    [[ $path != "new "* ]] || new_files+=("${path#new }")
    path=${path#new }
    ! has_no_link "$path" || borrowed+=(--ro-bind "$1" "$path")
}

# has_no_link PATH: is it a plain file of the root, without links and `..` in its path?
has_no_link() {
    local rest=$1
    [[ $rest == /* && -f $ROOT$rest && $rest != *..* ]] || return
    while [[ -n $rest ]]; do
        [[ ! -L $ROOT$rest ]] || return
        rest=${rest%/*}
    done
}

FILTERED=yes

# run_sealed COMMAND…: run bwrap with `options`, the mounts in `borrowed`, and `environment`, without open files of the caller except the
# three standard ones. Options are passed through a descriptor, because the command line of the first process is readable inside.
# FILTERED: seccomp.bpf filters the system calls.
run_sealed() {
    (
        for descriptor in /proc/self/fd/*; do
            descriptor=${descriptor##*/}
            ((descriptor <= 2 || descriptor == 255)) || exec {descriptor}>&-
        done
        exec 8< <(printf '%s\0' "${options[@]}" "${borrowed[@]}") 9<"$LIB/seccomp.bpf"
        exec env -i "${environment[@]}" "$BWRAP" --args 8 ${FILTERED:+--seccomp 9} -- "$@"
    )
}

# The host's programs with which lib/inside.sh copies: an image's cp may lose attributes or hard links. Plans with attributes in their
# files need setfattr.
COPYING=(cp mv tar)
! type -P setfattr >/dev/null || COPYING+=(setfattr)

# The other programs that lib/inside.sh calls, for roots without any.
BASIC=(awk cat chmod chown dirname grep ln mkdir readlink rm sed sha256sum tail touch)

# open_kit NAME PROGRAM…: set KIT, options of bwrap that mount these programs of the host with their libraries and configuration, and
# KIT_LOADER, the words that start one of them without the root's loader and libraries. The file NAME keeps the options for all steps of a
# run.
open_kit() {
    local kit=$STATE/$1
    shift
    if [[ ! -s $kit ]]; then
        list_kit "$@" >"$kit.$BASHPID" && mv -f "$kit.$BASHPID" "$kit" || return
    fi
    mapfile -t KIT <"$kit"
    KIT_LOADER=(/dev/buildsys/kit/loader --inhibit-cache --library-path /dev/buildsys/kit/lib)
}

# list_kit PROGRAM…: print these options, a word a line. Each run makes the list again, because the host's programs may have changed.
list_kit() {
    local program path name source
    local -A named=()
    for program; do
        path=$(command -v "$program") || return
        printf '%s\n' --ro-bind "$(readlink -f "$path")" "/dev/buildsys/kit/bin/$program"
        while read -r name source; do
            [[ -z ${named[$name]-} ]] || continue
            named[$name]=yes
            printf '%s\n' --ro-bind "$source" "/dev/buildsys/kit/$name"
        done < <(list_libraries "$path")
    done
    [[ " $* " != *' rpm '* ]] || rpm_list_kit
}

# run_unshared COMMAND…: run a program of the host in a new mount namespace, without network unless ONLINE=1.
run_unshared() {
    local options=(--mount --propagation private)
    [[ $ONLINE == 1 ]] || options+=(--net)
    unshare "${options[@]}" -- "$@"
}
