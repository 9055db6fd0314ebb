# dnf on the host, against the mounted root.

# dnf_call [cache=DIR] WORDS…: one dnf on this root, with the site's repositories and keys.
dnf_call() {
    local status=0 lent=() text home=$SCRATCH/home
    dnf_safe_root || return
    if [[ $1 == cache=* ]]; then
        lent=("$1")
        shift
    fi
    mkdir -p "$home"
    printf '%%_dbpath %s\n' "$RPM_DATABASE" >"$home/.rpmmacros"
    if [[ $HOST == 1 ]]; then
        set -- bash "$LIB/host.sh" "$ROOT" "${RELEASE:-/}" "$@"
    else
        text=$(<"$PLAN/pool/repositories.conf")
        printf '%s\n' "${text//@PLAN@/"${PLAN// /%20}"}" >"$SCRATCH/dnf.conf"
        set -- dnf --config "$SCRATCH/dnf.conf" --installroot "$ROOT" --releasever "${RELEASE:-/}" --quiet --assumeyes "$@"
    fi
    HOME=$home beside "${lent[@]}" "$@" 2>&1 | discreetly >"$SCRATCH/dnf.out" || status=$?
    cat "$SCRATCH/dnf.out"
    packages_explain "$SCRATCH/dnf.out" || status=1
    return "$status"
}

# discreetly: what dnf says, without where the host's repositories, proxies and keys are.
discreetly() {
    if [[ $HOST != 1 ]]; then
        cat
    else
        sed -E -e '/^ From +:/d' -e 's#[a-zA-Z]+://[^][[:space:]]+#(an address of this host)#g' -e 's# \[[^][]*\]##g'
    fi
}

# host_repositories: the ids of the host's repositories that are enabled, a line each.
host_repositories() { dnf_call repolist --enabled | awk 'listed { print $1 } /^repo id / { listed = 1 }'; }

# host_metadata FILE: what the host's repositories hold now, in one file.
host_metadata() {
    local id lock
    cache_locked
    ONLINE=1 dnf_call "cache=$CACHE" makecache --refresh || return
    while read -r id; do
        cat "$CACHE/$id"-[0-9a-f]*/repodata/repomd.xml || return
    done < <(host_repositories) >"$1"
    exec {lock}>&-
}

dnf_transaction() {
    if [[ $NETWORK == 1 ]]; then from_repositories "$@"; else dnf_call "$@"; fi || return
    rpm_mount_points
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
    local file files
    if [[ $NETWORK == 1 ]]; then
        # dnf checks signatures before it says that it has downloaded; here, against keys it keeps in an empty root.
        mkdir -p "$SCRATCH/empty"
        ROOT=$SCRATCH/empty payload_file "$1"
        return
    fi
    mapfile -t files < <(find "$PLAN/pool/repos" -name "$1-[0-9]*.rpm" | sort -r)
    file=$(rpm_newest "$1" '' "${files[@]}") || return
    if [[ -z $file ]]; then
        packages_missing "$1" >&2
        return 1
    fi
    rpm_signed "$file" >&2 || return 1
    printf '%s' "$file"
}

# dnf_offered PACKAGE: the builds of it that the repositories hold now, as rpm_newest wants them.
dnf_offered() {
    dnf_call "cache=$SCRATCH/cache" --cacheonly repoquery \
        --queryformat '%{epoch}:%{version}-%{release}.%{arch}\n' -- "$1"
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
