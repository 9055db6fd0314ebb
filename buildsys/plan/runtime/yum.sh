# yum within the image: its own rpm writes its own database, which the host's newer rpm would not.
# Downloads lie in a cache that all builds share; only the fetching is done by one build at a time.

yum_cache() { printf '%s' "${BS_CACHE:-$STATE/cache}/yum"; }

# yum_call VERB PACKAGE…
yum_call() {
    local config=$SCRATCH/yum text cache status=0
    cache=$(yum_cache)
    if [[ ! -d $config ]]; then
        mkdir -p "$config" "$cache"
        text=$(<"$PLAN/pool/repositories.conf")
        printf '%s\n' "${text//@PLAN@//run/buildsys/plan}" >"$config/yum.conf"
        mkdir -p "$PLAN/pool/repos" "$PLAN/pool/keys"
        RUN_OPTIONS=(--volume "$config:/run/buildsys/config:ro" --volume "$cache:/var/cache/buildsys"
            --volume "$PLAN/pool:/run/buildsys/plan/pool:ro")
        if [[ -n ${BS_PROXY-} ]]; then RUN_OPTIONS+=(--env "http_proxy=$BS_PROXY" --env "https_proxy=$BS_PROXY"); fi
    fi
    exec 6>>"$cache.lock"
    flock 6
    yum_run "$@" --downloadonly >"$SCRATCH/yum.out" 2>&1 || status=$?
    exec 6>&-
    if ((status == 0)); then yum_run "$@" >"$SCRATCH/yum.out" 2>&1 || status=$?; fi
    cat "$SCRATCH/yum.out"
    if ((status)) || grep -q '^No package .* available' "$SCRATCH/yum.out"; then
        packages_explain "$SCRATCH/yum.out"
        return 1
    fi
    if grep -Eq '(scriptlet failed|Error in .* scriptlet|warning: .* NOKEY)' "$SCRATCH/yum.out"; then
        printf 'error: a scriptlet failed; see above\n'
        return 1
    fi
}

yum_run() {
    buildah_run yum -y -c /run/buildsys/config/yum.conf --setopt=cachedir=/var/cache/buildsys --setopt=keepcache=1 "$@"
}

yum_bootstrap() { yum_install "$@"; }

# yum_install PACKAGE…: yum exits 0 when one of several names is missing, so each is asked for afterwards.
yum_install() {
    local package missing=0
    retry yum_call install "$@"
    for package; do
        buildah_run rpm --query --quiet --whatprovides "$package" && continue
        printf 'No package %s available.\n' "$package" >"$SCRATCH/yum.out"
        packages_explain "$SCRATCH/yum.out"
        missing=1
    done
    return "$missing"
}

yum_update() { retry yum_call update; }

# yum_remove [--optional] PACKAGE…
yum_remove() {
    local optional='' package present=()
    if [[ $1 == --optional ]]; then
        optional=yes
        shift
    fi
    for package; do
        if buildah_run rpm --query --quiet "$package"; then
            present+=("$package")
        elif [[ -z $optional ]]; then
            packages_absent "$package"
            return 1
        fi
    done
    ((${#present[@]} == 0)) || yum_call remove "${present[@]}"
}

yum_import_key() { buildah_run rpm --import "$1"; }

# yum_fetch PACKAGE: the package's file in the shared cache, its signature checked against the site's keys.
yum_fetch() {
    local file cache
    cache=$(yum_cache)
    retry yum_call install --downloadonly "$1" >&2
    while IFS= read -r file; do
        [[ $(rpm --query --package --nosignature --queryformat '%{NAME}' "$file" 2>/dev/null) == "$1" ]] || continue
        rpm_signed "$file" || return 1
        printf '%s' "$file"
        return
    done < <(find "$cache" -name "$1-[0-9]*.rpm" | sort -rV)
    printf 'error: package %s is in no repository of this site\n' "$1" >&2
    return 1
}
