# dnf on the host, dnf 4 or dnf5. It never works on an image: it would follow the image's links. It works on DNF_ROOT, a
# folder of ours with a copy of the image's package database; what it decides there rpm does to the image.

DNF=$(type -P dnf || type -P dnf5) || :

# dnf_call [cache=DIR] OPTION… VERB WORDS…: one dnf, with the site's repositories and keys.
dnf_call() {
    local status=0 text home=$SCRATCH/home folder=$SCRATCH/cache config=$SCRATCH/dnf.conf given=() late=()
    if [[ $1 == cache=* ]]; then
        folder=${1#*=}
        shift
    fi
    [[ -n ${DNF_ROOT-} ]] || { DNF_ROOT=$SCRATCH/no-packages && mkdir -p "$DNF_ROOT"; } || return
    mkdir -p "$home" "$SCRATCH/dnf" "$folder"
    # Debian's rpm would look for the database in HOME.
    printf '%%_dbpath %s\n' "$RPM_DATABASE" >"$home/.rpmmacros"
    given=(--installroot "$DNF_ROOT" --quiet --assumeyes "--setopt=logdir=$SCRATCH/dnf" "--setopt=persistdir=$SCRATCH/dnf")
    if [[ $(readlink -f "$DNF") == */dnf5 ]]; then
        # It takes the cache for a folder below the root, and knows this option behind its verb only.
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
        with_logins login <<<"${text//@PLAN@/"${PLAN// /%20}"}" >"$config"
        logins DNF_VAR_login
        ((${#LOGINS[@]} == 0)) || local -x "${LOGINS[@]}"
        set -- "$DNF" --config "$config" "${given[@]}" "$@"
    fi
    HOME=$home apart "$@" 2>&1 | discreetly >"$SCRATCH/dnf.out" || status=$?
    # When it is quiet it keeps to itself what a server answered.
    if ((status)) && grep -Eqi 'all mirrors were (already )?tried' "$SCRATCH/dnf.out"; then
        HOME=$home apart "${@/#--quiet/--assumeyes}" 2>&1 | discreetly | grep -Ei 'status code: |curl error' | sort -u \
            >>"$SCRATCH/dnf.out" || :
    fi
    cat "$SCRATCH/dnf.out"
    packages_explain "$SCRATCH/dnf.out" || status=1
    return "$status"
}

# discreetly: what dnf says, without where the host's repositories, proxies and keys are; all of it when WHOLE=yes.
discreetly() {
    if [[ $HOST != 1 || ${WHOLE-} == yes ]]; then
        cat
    else
        sed -E -e '/^ From +:/d' -e 's#[a-zA-Z]+://[^][[:space:]]+#(an address of this host)#g' -e 's# \[[^][]*\]##g'
    fi
}

# dnf_look: sets DNF_ROOT, what the image has now: its database, and what says which release and which modules it is of.
# The root's programs may have left anything in the place of these, so only plain files are kept of the copy.
dnf_look() {
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

# dnf_transaction WORDS…: dnf decides on the copy, where only the database is written; rpm does the same to the image.
dnf_transaction() {
    local before after new=() gone=() left=() package
    local decide=(--setopt=tsflags=justdb "$@")
    dnf_look || return
    before=$(dnf_packages) || return
    if [[ $NETWORK == 1 ]]; then from_repositories "${decide[@]}"; else dnf_call "${decide[@]}"; fi || return
    after=$(dnf_packages) || return
    mapfile -t new < <(comm -13 <(printf '%s\n' "$before") <(printf '%s\n' "$after"))
    mapfile -t gone < <(comm -23 <(printf '%s\n' "$before") <(printf '%s\n' "$after"))
    if ((${#new[@]})); then
        dnf_lay "${new[@]}" || return
        RPM_LENT=("new=$SCRATCH/new")
        rpm_update "${new[@]/#//dev/buildsys/new/}" || return
        RPM_LENT=()
    fi
    # What the new ones replace went with them.
    for package in "${gone[@]}"; do ! rpm_on_root --query --quiet "$package" || left+=("$package"); done
    ((${#left[@]} == 0)) || rpm_call --erase -- "${left[@]}"
}

# dnf_packages: what DNF_ROOT has, a line each, named as files of packages are.
dnf_packages() {
    dnf_rpm --query --all --queryformat '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' | sed '/^gpg-pubkey-/d' | sort
}

# dnf_lay PACKAGE…: their files, which dnf has fetched and whose signatures it has looked at, in SCRATCH/new.
dnf_lay() {
    local package file
    rm -rf "$SCRATCH/new"
    mkdir "$SCRATCH/new"
    for package; do
        file=$(find "$SCRATCH/cache" "$PLAN/pool/repos" -name "$package.rpm" -print -quit 2>/dev/null)
        [[ -n $file ]] || file=$(dnf_own_file "$package")
        if [[ ! -f $file ]]; then
            printf 'error: %s: dnf has no file of %s\n' "$SPOT" "$package"
            return 1
        fi
        cp --reflink=auto "$file" "$SCRATCH/new/$package" || return
    done
}

# dnf_own_file PACKAGE: prints the path of its file where the repository is a folder of this host, which dnf reads in place.
dnf_own_file() {
    local place
    place=$(WHOLE=yes dnf_call "cache=$SCRATCH/cache" --cacheonly repoquery --location -- "$1" | sed -n 's#^file://##p;T;q') || return 0
    printf '%b' "${place//%/\\x}"
}

dnf_bootstrap() { dnf_transaction install -- "$@"; }
dnf_install() { dnf_transaction install -- "$@"; }
dnf_update() { dnf_transaction upgrade; }

# dnf_remove [--optional] PACKAGE…: these, and all that needs them.
dnf_remove() {
    local optional='' package present=() NETWORK=''
    if [[ $1 == --optional ]]; then
        optional=yes
        shift
    fi
    for package; do
        if rpm_on_root --query --quiet "$package"; then
            present+=("$package")
        elif [[ -z $optional ]]; then
            packages_absent "$package"
            return 1
        fi
    done
    ((${#present[@]} == 0)) || dnf_transaction --cacheonly remove -- "${present[@]}"
}

# dnf_rpm ARGUMENTS…: rpm on DNF_ROOT.
dnf_rpm() { rpm --dbpath "$DNF_ROOT$RPM_DATABASE" "$@"; }

dnf_import_key() { rpm_import_key "$@"; }

# dnf_fetch PACKAGE: prints the path of the newest file of a package, its signature checked against the site's keys.
dnf_fetch() {
    local file files
    if [[ $NETWORK == 1 ]]; then
        # dnf checks signatures before it says that it has downloaded; here, against keys it keeps in an empty root.
        DNF_ROOT='' payload_file "$1"
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
