# Entering a root: bwrap makes it the whole file system of the program that enters, in namespaces of its own.
# No program of the host opens a path below a root: it would follow the root's links to wherever they lead.
#
# Every entry gets the same: the capabilities and the system calls of a container, a /dev of the five harmless devices,
# a read-only /proc of its own, an empty /sys in memory, no network, an environment made from nothing, no open file of
# the caller. Packages may do to /dev, /proc and /sys what they like: nothing of it reaches the host or the image.

# shellcheck source=/dev/null
. "$LIB/programs.sh"

# ONLINE=1 before one of these gives it the network; without, there is none.
ONLINE=''

# inside <<END: run the verbs of lib/inside.sh, one instruction a line, within the root.
# All data instructions of a stretch share this one entry, a few ms.
inside() {
    local text KIT=()
    text=$'. /dev/buildsys/plan/lib/inside.sh\n'$(</dev/stdin)
    lend_scratch || return
    # Most stretches copy nothing.
    [[ ! $text =~ $'\n'(optional )?(attributes|duplicate|move|other|payload)' ' ]] || kit_open kit.copying "${COPYING[@]}" || return
    # Written in full or not run: on a full disk half of it would do half of the work, and succeed.
    printf '%s\n' "$text" >"$LENT/inside" || return
    # The shell inside tells where it stands through a file; an ERR trap cannot see into it.
    enter inside "${SOURCES[@]}" -- /bin/sh -eu /dev/buildsys/scratch/inside </dev/null || {
        local status=$?
        ! plain_file "$LENT/spot" || read -r SPOT <"$LENT/spot" || :
        return "$status"
    }
}

# within [NAME=DIR…] COMMAND…: run a program of the root; it finds the plan, LENT as `scratch` and each DIR in /dev/buildsys;
# of these it may write in `scratch` and `cache`.
within() {
    local lent=()
    while [[ ${1-} == *=* ]]; do
        lent+=("$1")
        shift
    done
    lend_scratch || return
    enter within "${lent[@]}" -- "$@" </dev/null
}

# with_kit [NAME=DIR…] PROGRAM ARGUMENT…: run a program of the host in the root. The program and its libraries are lent,
# one file each; its standard input is the caller's.
with_kit() {
    local lent=() program
    while [[ ${1-} == *=* ]]; do
        lent+=("$1")
        shift
    done
    program=$1
    shift
    # shellcheck disable=SC2086 # words
    kit_open kit $KIT_PROGRAMS || return
    lend_scratch || return
    enter kit "${lent[@]}" -- "${KIT_LOADER[@]}" "/dev/buildsys/kit/bin/$program" "$@"
}

# lend_scratch: sets LENT, a new folder that the next entry may write in. The host writes there only before, and reads
# there only what is a plain file: programs of the root may leave links to anywhere.
lend_scratch() {
    LENT=$SCRATCH/lent.$BASHPID.$((++LENDINGS))
    mkdir -p "$LENT"
}
LENDINGS=0

plain_file() { [[ -f $1 && ! -L $1 ]]; }

# run ARGV…: a recipe's `run`: with the environment and in the working directory of the parent's configuration.
run() {
    local limit=()
    if [[ $1 == --open-files ]]; then
        # shellcheck disable=SC2016 # for the shell inside
        limit=(/bin/sh -c 'ulimit -n "$1" 2>/dev/null || ulimit -n "$(ulimit -Hn)"; shift; exec "$@"' sh "$2")
        shift 2
    fi
    RUNNING=yes
    parent_settings
    enter run -- "${limit[@]}" "$@" </dev/null
    RUNNING=''
}
RUNNING=''

# parent_settings: sets SETTINGS, a file of the working directory and the environment of the parent's configuration, each
# ended by NUL; asked once a run for each parent.
parent_settings() {
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

# What a container may do, but for chroot: where the host itself is in one, who may chroot can leave both. A recipe's `run`
# makes no device files; packages do, and these have no power.
CAPABILITIES=(chown dac_override fowner fsetid kill mknod setfcap setgid setpcap setuid audit_write)
BWRAP=$(type -P bwrap) || :
SEARCH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# enter MODE [NAME=DIR…] -- COMMAND…: the one way into the root. MODE: inside, within, kit, run.
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
        # An image of one program may have nowhere to mount these; then it does not get them for good.
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
        settings_of_parent
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
        online
        # Through the descriptor, not with the environment of bwrap, which is a command line for a moment.
        for capability in "${LOGINS[@]}"; do options+=(--setenv "${capability%%=*}" "${capability#*=}"); done
        borrow /etc/resolv.conf || return
        borrow /etc/hosts || return
    fi
    sealed "${@:2}" || status=$?
    borrowed=()
    ((${#new_files[@]} == 0)) || sealed rm -f "${new_files[@]}" || status=$?
    for directory in "${made[@]}"; do [[ ! -d $directory ]] || rmdir "$directory" || :; done
    return "$status"
}

# settings_of_parent: what SETTINGS says becomes bwrap's: it is set behind the last program of the host.
settings_of_parent() {
    local settings=() setting
    mapfile -d '' -t settings <"$SETTINGS"
    # Without one bwrap stays in the caller's, where the root has a directory of that name.
    options+=(--chdir "${settings[0]:-/}")
    ((${#settings[@]})) || return 0
    for setting in "${settings[@]:1}"; do
        # What has no name nobody can ask for.
        [[ $setting != [!=]*=* ]] || options+=(--setenv "${setting%%=*}" "${setting#*=}")
    done
    options+=(--setenv SOURCE_DATE_EPOCH "$BS_EPOCH")
}

# online: of the host's environment, what serves the network.
online() {
    local name
    for name in {http,https,ftp,all,no}_proxy {HTTP,HTTPS,FTP,ALL,NO}_PROXY SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE; do
        [[ ! -v $name ]] || environment+=("$name=${!name}")
    done
}

# borrow FILE: the host's file in the place of the root's. Where that is the root's own programs find out, and make the
# file; they have ended before the host looks at the path they name.
borrow() {
    local path
    # shellcheck disable=SC2016 # for the shell inside
    path=$(sealed /bin/sh -c 'path=$(readlink -f "$1") || exit 0
        [ -e "$path" ] || { : >"$path" && printf "new "; } && printf "%s" "$path"' sh "$1" </dev/null) || return 0
    [[ $path != "new "* ]] || new_files+=("${path#new }")
    path=${path#new }
    ! no_link "$path" || borrowed+=(--ro-bind "$1" "$path")
}

# no_link PATH: is it a plain file of the root, and no part of its path a link or a way back?
no_link() {
    local rest=$1
    [[ $rest == /* && -f $ROOT$rest && $rest != *..* ]] || return
    while [[ -n $rest ]]; do
        [[ ! -L $ROOT$rest ]] || return
        rest=${rest%/*}
    done
}

FILTERED=yes

# sealed COMMAND…: with `options` of bwrap, what is `borrowed`, and `environment`, and no file of the caller's open but the
# three standard ones. The options go through a descriptor: the command line of the first process can be read inside.
# FILTERED: without the system calls of seccomp.bpf.
sealed() {
    (
        for descriptor in /proc/self/fd/*; do
            descriptor=${descriptor##*/}
            ((descriptor <= 2 || descriptor == 255)) || exec {descriptor}>&-
        done
        exec 8< <(printf '%s\0' "${options[@]}" "${borrowed[@]}") 9<"$LIB/seccomp.bpf"
        exec env -i "${environment[@]}" "$BWRAP" --args 8 ${FILTERED:+--seccomp 9} -- "$@"
    )
}

# What the verbs of lib/inside.sh copy with: what an image's own cp keeps of attributes and hard links differs from image to
# image. setfattr is there where the plan's files have attributes.
COPYING=(cp mv tar)
! type -P setfattr >/dev/null || COPYING+=(setfattr)

# kit_open NAME PROGRAM…: sets KIT, options of bwrap that lend these programs of the host with their libraries and
# configuration, and KIT_LOADER, the words that start one of them: the root's own loader and libraries have no part in it.
# NAME is the file that keeps the options for all steps of a run.
kit_open() {
    local kit=$STATE/$1
    shift
    if [[ ! -s $kit ]]; then
        kit_list "$@" >"$kit.$BASHPID" && mv -f "$kit.$BASHPID" "$kit" || return
    fi
    mapfile -t KIT <"$kit"
    KIT_LOADER=(/dev/buildsys/kit/loader --inhibit-cache --library-path /dev/buildsys/kit/lib)
}

# kit_list PROGRAM…: a word a line. lib/run.sh removes the file when a run begins: the host's programs may be others by then.
kit_list() {
    local program path name source
    local -A named=()
    for program; do
        path=$(command -v "$program") || return
        printf '%s\n' --ro-bind "$(readlink -f "$path")" "/dev/buildsys/kit/bin/$program"
        while read -r name source; do
            [[ -z ${named[$name]-} ]] || continue
            named[$name]=yes
            printf '%s\n' --ro-bind "$source" "/dev/buildsys/kit/$name"
        done < <(libraries "$path")
    done
    [[ " $* " != *' rpm '* ]] || rpm_kit
}

# apart COMMAND…: a program of the host in a mount namespace of its own, without network unless ONLINE=1.
apart() {
    local options=(--mount --propagation private)
    [[ $ONLINE == 1 ]] || options+=(--net)
    unshare "${options[@]}" -- "$@"
}
