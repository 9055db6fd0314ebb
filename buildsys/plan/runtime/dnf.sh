# dnf of the host, dnf 4 or dnf5. It never works on an image, because it would follow the image's links. It works on DNF_ROOT, a folder
# with a copy of the image's package database; rpm then does to the image what dnf decided.

DNF=$(type -P dnf || type -P dnf5) || :

# dnf_call [cache=DIR] OPTION… VERB WORDS…: run dnf with the site's repositories and keys.
dnf_call() {
    local status=0 text home=$SCRATCH/home folder=$SCRATCH/cache config=$SCRATCH/dnf.conf given=() late=()
    if [[ $1 == cache=* ]]; then
        folder=${1#*=}
        shift
    fi
    [[ -n ${DNF_ROOT-} ]] || { DNF_ROOT=$SCRATCH/no-packages && mkdir -p "$DNF_ROOT"; } || return
    mkdir -p "$home" "$SCRATCH/dnf" "$folder"
    # Debian's rpm looks for the database in HOME.
    printf '%%_dbpath %s\n' "$RPM_DATABASE" >"$home/.rpmmacros"
    given=(--installroot "$DNF_ROOT" --quiet --assumeyes "--setopt=logdir=$SCRATCH/dnf" "--setopt=persistdir=$SCRATCH/dnf")
    if [[ $(readlink -f "$DNF") == */dnf5 ]]; then
        # dnf5 looks for the cache below the root, and accepts --downloadonly only after its verb.
        mkdir -p "$DNF_ROOT${folder%/*}"
        ln -sfn "$folder" "$DNF_ROOT$folder"
        given+=("--setopt=system_cachedir=$folder" ${RELEASE:+--releasever "$RELEASE"})
        while [[ ${1-} == -* ]]; do
            if [[ $1 == --downloadonly ]]; then late=("$1"); else given+=("$1"); fi
            shift
        done
        set -- "$1" "${late[@]}" "${@:2}"
    else
        given+=("--setopt=cachedir=$folder" --releasever "${RELEASE:-/}")
    fi
    if [[ $HOST == 1 ]]; then
        set -- bash "$LIB/host.sh" "$SCRATCH/dnf" "$DNF" "${given[@]}" "$@"
    else
        text=$(<"$PLAN/pool/repositories.conf")
        add_logins login <<<"${text//@PLAN@/"${PLAN// /%20}"}" >"$config"
        set_logins DNF_VAR_login
        ((${#LOGINS[@]} == 0)) || local -x "${LOGINS[@]}"
        set -- "$DNF" --config "$config" "${given[@]}" "$@"
    fi
    HOME=$home run_unshared "$@" 2>&1 | hide_addresses >"$SCRATCH/dnf.out" || status=$?
    # With --quiet dnf does not print the answer of the server.
    if ((status)) && grep -Eqi 'all mirrors were (already )?tried' "$SCRATCH/dnf.out"; then
        HOME=$home run_unshared "${@/#--quiet/--assumeyes}" 2>&1 | hide_addresses | grep -Ei 'status code: |curl error' | sort -u \
            >>"$SCRATCH/dnf.out" || :
    fi
    cat "$SCRATCH/dnf.out"
    explain_package_errors "$SCRATCH/dnf.out" || status=1
    return "$status"
}

# hide_addresses: filter dnf's output: remove addresses of the host's repositories, proxies and keys, unless WHOLE=yes.
hide_addresses() {
    if [[ $HOST != 1 || ${WHOLE-} == yes ]]; then
        cat
    else
        sed -E -e '/^ From +:/d' -e 's#[a-zA-Z]+://[^][[:space:]]+#(an address of this host)#g' -e 's# \[[^][]*\]##g'
    fi
}

# dnf_copy_database: set DNF_ROOT, a copy of the image's package database and of the files that name its release and modules. Only plain
# files of the copy are kept, because programs of the root may have left other kinds.
dnf_copy_database() {
    local path
    for path in "$RPM_DATABASE" /etc/os-release /etc/redhat-release /etc/dnf/modules.d; do
        with_kit cp -rL --parents -- "$path" /dev/buildsys/scratch/ </dev/null 2>/dev/null || continue
        find -P "$LENT" ! -type f ! -type d -delete
        mkdir -p "$SCRATCH/seen"
        cp -r "$LENT/." "$SCRATCH/seen/"
    done
    rm -rf "$SCRATCH/image"
    mv "$SCRATCH/seen" "$SCRATCH/image" 2>/dev/null || mkdir "$SCRATCH/image"
    DNF_ROOT=$SCRATCH/image
}

# list_host_repositories: print the ids of the host's enabled repositories, a line each.
list_host_repositories() { dnf_call repolist --enabled | awk 'listed { print $1 } /^repo id / { listed = 1 }'; }

# write_host_metadata FILE: write the metadata of the host's repositories to one file.
write_host_metadata() {
    local id lock
    lock_cache
    ONLINE=1 dnf_call "cache=$CACHE" makecache --refresh || return
    while read -r id; do
        cat "$CACHE/$id"-[0-9a-f]*/repodata/repomd.xml || return
    done < <(list_host_repositories) >"$1"
    exec {lock}>&-
}

# dnf_transaction WORDS…: let dnf decide on the copy, where it writes only the database; do the same to the image with rpm.
dnf_transaction() {
    local before after new=() gone=() left=() package
    local decide=(--setopt=tsflags=justdb "$@")
    dnf_copy_database || return
    before=$(dnf_list_packages) || return
    if [[ $NETWORK == 1 ]]; then from_repositories "${decide[@]}"; else dnf_call "${decide[@]}"; fi || return
    after=$(dnf_list_packages) || return
    mapfile -t new < <(comm -13 <(printf '%s\n' "$before") <(printf '%s\n' "$after"))
    mapfile -t gone < <(comm -23 <(printf '%s\n' "$before") <(printf '%s\n' "$after"))
    if ((${#new[@]})); then
        dnf_collect_files "${new[@]}" || return
        RPM_LENT=("new=$SCRATCH/new")
        rpm_update "${new[@]/#//dev/buildsys/new/}" || return
        RPM_LENT=()
    fi
    # The new packages may have replaced some already.
    for package in "${gone[@]}"; do ! rpm_run --query --quiet "$package" || left+=("$package"); done
    ((${#left[@]} == 0)) || rpm_call --erase -- "${left[@]}"
}

# dnf_list_packages: print the packages of DNF_ROOT, a line each: NAME-VERSION-RELEASE.ARCH.
dnf_list_packages() {
    dnf_rpm --query --all --queryformat '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' | sed '/^gpg-pubkey-/d' | sort
}

# dnf_collect_files PACKAGE…: copy the packages' files to SCRATCH/new; dnf has fetched them and checked their signatures.
dnf_collect_files() {
    local package file
    rm -rf "$SCRATCH/new"
    mkdir "$SCRATCH/new"
    for package; do
        file=$(find "$SCRATCH/cache" "$PLAN/pool/repos" -name "$package.rpm" -print -quit 2>/dev/null)
        [[ -n $file ]] || file=$(dnf_find_file "$package")
        if [[ ! -f $file ]]; then
            printf 'error: %s: dnf has no file of %s\n' "$SPOT" "$package"
            return 1
        fi
        cp --reflink=auto "$file" "$SCRATCH/new/$package" || return
    done
}

# dnf_find_file PACKAGE: print the path of its file if the repository is a folder of this host, which dnf does not copy.
dnf_find_file() {
    local place
    place=$(WHOLE=yes dnf_call "cache=$SCRATCH/cache" --cacheonly repoquery --location -- "$1" | sed -n 's#^file://##p;T;q') || return 0
    printf '%b' "${place//%/\\x}"
}

dnf_bootstrap() { dnf_transaction install -- "$@"; }
dnf_install() { dnf_transaction install -- "$@"; }
dnf_update() { dnf_transaction upgrade; }

# dnf_remove [--optional] PACKAGE…: remove these packages and all packages that require them.
dnf_remove() {
    local optional='' package present=() NETWORK=''
    if [[ $1 == --optional ]]; then
        optional=yes
        shift
    fi
    for package; do
        if rpm_run --query --quiet "$package"; then
            present+=("$package")
        elif [[ -z $optional ]]; then
            report_absent "$package"
            return 1
        fi
    done
    ((${#present[@]} == 0)) || dnf_transaction --cacheonly remove -- "${present[@]}"
}

# dnf_rpm ARGUMENTS…: run rpm on DNF_ROOT.
dnf_rpm() { rpm --dbpath "$DNF_ROOT$RPM_DATABASE" "$@"; }

dnf_import_key() { rpm_import_key "$@"; }

# dnf_fetch PACKAGE: print the path of the newest file of a package, with its signature checked against the site's keys.
dnf_fetch() {
    local file files
    if [[ $NETWORK == 1 ]]; then
        # dnf checks signatures when it downloads, here against keys that it keeps in an empty root.
        DNF_ROOT='' find_payload_file "$1"
        return
    fi
    mapfile -t files < <(find "$PLAN/pool/repos" -name "$1-[0-9]*.rpm" | sort -r)
    file=$(rpm_find_newest "$1" '' "${files[@]}") || return
    if [[ -z $file ]]; then
        report_missing "$1" >&2
        return 1
    fi
    rpm_check_signatures "$file" >&2 || return 1
    printf '%s' "$file"
}

# dnf_list_builds PACKAGE: print its builds in the repositories, in the form that rpm_find_newest reads.
dnf_list_builds() {
    dnf_call "cache=$SCRATCH/cache" --cacheonly repoquery \
        --queryformat '%{epoch}:%{version}-%{release}.%{arch}\n' -- "$1"
}
