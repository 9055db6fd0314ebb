# dnf on the host, against the mounted root.

# Plugins that give this host's own repositories their certificates and addresses; no other runs, for some act on
# the host after each transaction.
: "${BS_DNF_PLUGINS=subscription-manager,spacewalk,amazon-id,rhui*,azure-rhui*}"

# dnf_call [cache=DIR] WORDS…: one dnf on this root, with the site's repositories and keys.
dnf_call() {
    local status=0 lent=()
    dnf_safe_root || return
    dnf_ready
    if [[ $1 == cache=* ]]; then
        lent=("$1")
        shift
    fi
    # All that dnf writes besides packages lies in the private /dev of the root, and is gone with it.
    HOME=$SCRATCH/home beside "${lent[@]}" dnf "${DNF[@]}" --installroot "$ROOT" --releasever "${RELEASE:-/}" \
        --assumeyes --setopt=cachedir=/dev/buildsys/cache --setopt=logdir=/dev/buildsys/log \
        --setopt=persistdir=/dev/buildsys/state "$@" 2>&1 | discreetly >"$SCRATCH/dnf.out" || status=$?
    cat "$SCRATCH/dnf.out"
    packages_explain "$SCRATCH/dnf.out" || status=1
    return "$status"
}

# dnf_ready: sets DNF, the options that say where packages come from.
dnf_ready() {
    local config=$SCRATCH/dnf.conf text
    [[ -z ${DNF-} ]] || return 0
    mkdir -p "$SCRATCH/home"
    printf '%%_dbpath %s\n' "$RPM_DATABASE" >"$SCRATCH/home/.rpmmacros"
    if [[ $HOST == 1 ]]; then
        dnf_of_host
        return
    fi
    text=$(<"$PLAN/pool/repositories.conf")
    printf '%s\n' "${text//@PLAN@/${PLAN// /%20}}" >"$config"
    DNF=(--config "$config" --quiet)
}

# dnf_of_host: the host's own configuration, read where it lies. Named one by one, for dnf would rather take the image's.
dnf_of_host() {
    local config=/etc/dnf/dnf.conf
    if [[ ! -e $config ]]; then
        config=$SCRATCH/dnf.conf
        printf '[main]\n' >"$config"
    fi
    DNF=(--config "$config" --quiet
        "--setopt=reposdir=$(dnf_main "$config" reposdir /etc/yum.repos.d,/etc/yum/repos.d,/etc/distro.repos.d)"
        "--setopt=varsdir=$(dnf_main "$config" varsdir /etc/yum/vars,/etc/dnf/vars)"
        "--setopt=pluginconfpath=$(dnf_main "$config" pluginconfpath /etc/dnf/plugins)"
        "--disableplugin=*" ${BS_DNF_PLUGINS:+"--enableplugin=$BS_DNF_PLUGINS"}
        --setopt=gpgcheck=1 --setopt=localpkg_gpgcheck=1 --setopt=best=1 --setopt=install_weak_deps=0
        --setopt=clean_requirements_on_remove=0 --setopt=installonly_limit=0 --setopt=keepcache=1
        "--setopt=*.metadata_expire=never")
}

# dnf_main FILE OPTION DEFAULT: what a configuration says for all repositories.
dnf_main() {
    local value
    value=$(sed -nE "s/^$2[[:space:]]*=[[:space:]]*//p" "$1" | tail -n 1)
    printf '%s' "${value:-$3}"
}

# discreetly: what dnf says, without the addresses of the host's repositories and proxies.
discreetly() {
    if [[ $HOST != 1 ]]; then cat; else sed -u -E -e 's#[a-zA-Z]+://[^][[:space:]]+#(an address of this host)#g' -e 's# \[[^][]*\]##g'; fi
}

# host_metadata FILE: what the host's repositories hold now, in one file.
host_metadata() {
    local id
    ONLINE=1 dnf_call "cache=$CACHE" makecache --refresh
    while read -r id; do
        cat "$CACHE/$id"-[0-9a-f]*/repodata/repomd.xml
    done < <(host_repositories) >"$1"
}

# host_repositories: the ids of those that are enabled.
host_repositories() {
    dnf "${DNF[@]}" repolist --enabled 2>/dev/null | awk '$1 != "repo" { print $1 }'
}

dnf_transaction() {
    if [[ $NETWORK == 1 ]]; then from_repositories "$@"; else dnf_call "$@"; fi
}

dnf_bootstrap() { dnf_transaction install -- "$@"; }
dnf_install() { dnf_transaction install -- "$@"; }
dnf_update() { dnf_transaction upgrade; }

# dnf_remove [--optional] PACKAGE…
dnf_remove() {
    local optional='' package present=()
    if [[ $1 == --optional ]]; then
        optional=yes
        shift
    fi
    for package; do
        if dnf_rpm --query --quiet "$package"; then
            present+=("$package")
        elif [[ -z $optional ]]; then
            packages_absent "$package"
            return 1
        fi
    done
    ((${#present[@]})) || return 0
    dnf_call remove -- "${present[@]}"
}

dnf_import_key() { rpm_import_key "$@"; }

# dnf_fetch PACKAGE: prints the path of the newest file of a package, its signature checked against the site's keys.
dnf_fetch() {
    local file name
    if [[ $NETWORK == 1 ]]; then
        # dnf checks signatures before it says that it has downloaded; here, against keys it keeps in an empty root.
        mkdir -p "$SCRATCH/empty"
        ROOT=$SCRATCH/empty payload_file "$1"
        return
    fi
    while IFS= read -r file; do
        name=$(rpm --query --package --nosignature --queryformat '%{NAME}' "$file")
        [[ $name == "$1" ]] || continue
        rpm_signed "$file" >&2 || return 1
        printf '%s' "$file"
        return
    done < <(find "$PLAN/pool/repos" -name "$1-[0-9]*.rpm" | sort -rV)
    packages_missing "$1" >&2
    return 1
}

dnf_rpm() { beside rpm --root "$ROOT" --dbpath "$RPM_DATABASE" "$@"; }

# dnf_safe_root: dnf follows links in the directories it writes to, out of the root if they lead there.
dnf_safe_root() {
    local directory
    for directory in var var/log var/cache var/cache/dnf var/lib var/lib/dnf "${RPM_DATABASE#/}"; do
        [[ -L $ROOT/$directory ]] || continue
        case $(realpath -m "$ROOT/$directory")/ in "$ROOT"/*) continue ;; esac
        printf 'error: /%s of the root is a symbolic link to %s, which leads out of it\n' \
            "$directory" "$(readlink "$ROOT/$directory")"
        return 1
    done
}
