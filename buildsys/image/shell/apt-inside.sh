#!/bin/sh
# Run dpkg within the root, in a step of a plan or in a RUN of an exported Containerfile: apt-inside.sh VERB WORDS…
# install FILE… [--configure=NAME,…]…   purge NAME…   bootstrap FILE…
set -eu
umask 022
if [ -d /dev/buildsys/plan ]; then
    scratch=/dev/buildsys/scratch pool=/dev/buildsys/plan/pool/packages
else
    # Next to this file, in a folder that the Containerfile removes at the end.
    scratch=${0%/*}/scratch pool=${0%/*}/packages
    mkdir -p "$scratch"
fi
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
# `compile` compiles modules by checksum; without this, Python would compile imported modules by time.
export PYTHONDONTWRITEBYTECODE=1
# A constant order of sets and maps in the output of scripts.
export PYTHONHASHSEED=0 PERL_HASH_SEED=0

# commands: replace commands that scripts of packages call.
commands() {
    rm -rf "${scratch:?}/bin" "$scratch/compile"
    mkdir "$scratch/bin"
    # The accounts of an image set may have ids above Debian's range for system accounts; adduser must accept them.
    cat >"$scratch/bin/adduser" <<'END'
#!/bin/sh
{
    cat /etc/adduser.conf
    printf 'LAST_SYSTEM_UID=59999\nLAST_SYSTEM_GID=59999\n'
} >"${0%/*}/../adduser.conf"
exec "/usr/sbin/${0##*/}" --conf "${0%/*}/../adduser.conf" "$@"
END
    ln -s adduser "$scratch/bin/addgroup"
    # Record packages and compile their modules together: py3compile would start two interpreters for each package.
    cat >"$scratch/bin/py3compile" <<'END'
#!/bin/sh
[ "$#.$1" = 2.-p ] || exec /usr/bin/py3compile "$@"
printf '%s\n' "$2" >>"${0%/*}/../compile"
END
    # Start no services.
    printf '#!/bin/sh\n' >"$scratch/bin/start-stop-daemon"
    chmod +x "$scratch"/bin/*
    PATH=$scratch/bin:$PATH
    policy=/usr/sbin/policy-rc.d
    if [ -e $policy ]; then
        policy=
    else
        trap 'rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
    fi
}

dpkg() { command dpkg --force-unsafe-io --force-confold --abort-after=1 "$@"; }

install() {
    files=
    for word; do
        case $word in
            --configure=*)
                unpack
                (
                    IFS=,
                    # shellcheck disable=SC2086 # names, with commas between
                    dpkg --no-triggers --configure ${word#*=}
                )
                ;;
            *) files="$files $pool/$word" ;;
        esac
    done
    unpack
    dpkg --configure --pending
    compile
}

# unpack: unpack the files in `files`.
unpack() {
    # shellcheck disable=SC2086 # the names of packages' files hold no blanks
    [ -z "$files" ] || dpkg --no-triggers --unpack $files
    files=
}

# compile: compile the modules of the packages that called py3compile.
compile() {
    if [ ! -s "$scratch/compile" ] || [ ! -x /usr/bin/py3compile ]; then return; fi
    xargs -d '\n' dpkg-query --listfiles <"$scratch/compile" |
        grep -E '^/usr/lib/python3(\.[0-9]+)?/(site|dist)-packages/.*\.py$' >"$scratch/modules" || return 0
    sort -u "$scratch/modules" | xargs -d '\n' /usr/bin/py3compile
}

purge() { dpkg --purge "$@"; }

# bootstrap FILE…: install packages whose files are unpacked already. Their dependencies on each other, and on dpkg, have no order.
bootstrap() {
    mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates
    touch /var/lib/dpkg/status /var/lib/dpkg/available
    files=
    for word; do files="$files $pool/$word"; done
    # shellcheck disable=SC2086 # the names of packages' files hold no blanks
    dpkg --force-depends --install $files
    compile
}

# tidy: remove logs, backups, locks, and secrets, which would be equal in all containers; services create them at start.
tidy() {
    rm -rf /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log /var/log/apt /var/cache/debconf/*-old \
        /var/lib/dpkg/*-old /var/lib/dpkg/lock /var/lib/dpkg/lock-frontend /var/lib/dpkg/triggers/Lock \
        /var/cache/ldconfig/aux-cache /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- \
        /etc/.pwd.lock /run/adduser /var/lib/dbus/machine-id /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
    [ ! -s /etc/machine-id ] || : >/etc/machine-id
    snakeoil=/etc/ssl/certs/ssl-cert-snakeoil.pem
    if [ -e $snakeoil ]; then
        for link in /etc/ssl/certs/*; do
            if [ "$(readlink "$link")" = "${snakeoil##*/}" ]; then rm -f "$link"; fi
        done
        rm -f $snakeoil /etc/ssl/private/ssl-cert-snakeoil.key
    fi
}

commands
"$@"
tidy
