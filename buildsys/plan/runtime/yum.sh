# yum within the image: its own rpm writes its database in its format, which the host's newer rpm cannot write.

# yum_call [cache=DIR] WORDS…: run yum in this root, with the repositories and keys of the site, not of the image.
yum_call() {
    local status=0 lent=() text
    if [[ $1 == cache=* ]]; then
        lent=("$1")
        shift
    fi
    if [[ ! -e $SCRATCH/yum/yum.conf ]]; then
        text=$(<"$PLAN/pool/repositories.conf")
        mkdir -p "$SCRATCH/yum"
        add_logins yum <<<"${text//@PLAN@//dev/buildsys/plan}" >"$SCRATCH/yum/yum.conf"
    fi
    # Only fetching gets logins; scriptlets run without network. `yum` may be dnf, which needs other names of the variables.
    LOGINS=()
    if [[ $ONLINE == 1 ]]; then
        set_logins yum
        LOGINS=("${LOGINS[@]/#yum/YUM}" "${LOGINS[@]/#/DNF_VAR_}")
    fi
    within yum="$SCRATCH/yum" "${lent[@]}" yum --assumeyes --config=/dev/buildsys/yum/yum.conf "$@" \
        >"$SCRATCH/yum.out" 2>&1 || status=$?
    LOGINS=()
    cat "$SCRATCH/yum.out"
    explain_package_errors "$SCRATCH/yum.out" || status=1
    return "$status"
}

yum_bootstrap() { yum_install "$@"; }

# yum_copy_up_database: open each file of the database for writing. On overlay the first write copies a file to the upper layer, which must
# not happen while yum has the file open for reading.
yum_copy_up_database() {
    # shellcheck disable=SC2016 # for the shell inside
    within /bin/sh -c 'cd "$(rpm --eval "%{_dbpath}")" && for file in *; do [ ! -f "$file" ] || : >>"$file"; done'
}

# yum_install PACKAGE…
yum_install() {
    yum_copy_up_database
    from_repositories install "$@"
    yum_check_installed "$@"
}

# yum_check_installed PACKAGE…: ask rpm for each package, because yum exits 0 if some of several packages are missing.
yum_check_installed() {
    local package status=0
    # shellcheck disable=SC2016 # for the shell inside
    within /bin/sh -c 'for package; do
            rpm --query --quiet "$package" || rpm --query --quiet --whatprovides "$package" || printf "%s\n" "$package"
        done' sh "$@" >"$SCRATCH/missing"
    while IFS= read -r package; do
        report_missing "$package"
        status=1
    done <"$SCRATCH/missing"
    return "$status"
}

yum_update() {
    yum_copy_up_database
    from_repositories update
}

# yum_remove [--optional] PACKAGE…
yum_remove() {
    local optional='' package present=()
    if [[ $1 == --optional ]]; then
        optional=yes
        shift
    fi
    for package; do
        if within rpm --query --quiet "$package"; then
            present+=("$package")
        elif [[ -z $optional ]]; then
            report_absent "$package"
            return 1
        fi
    done
    ((${#present[@]})) || return 0
    yum_copy_up_database
    yum_call --cacheonly remove "${present[@]}"
}

yum_import_key() { within rpm --import "$1"; }

# yum_fetch PACKAGE: print the path of a package's file, after rpm checked its signature; yum checks it only when it installs.
yum_fetch() {
    local file
    file=$(find_payload_file "$1") || return
    yum_read_keys || return
    rpm_check_signatures "$file" >&2 || return
    printf '%s' "$file"
}

# yum_read_keys: copy the site's keys that are files of the image to SCRATCH/keys, if they exist already. They are read from inside.
yum_read_keys() {
    local id key
    while read -r id _ key; do
        [[ $key == /* ]] || continue
        printf '[ ! -f %q ] || cat %q >/dev/buildsys/scratch/key-%q\n' "$key" "$key" "$id"
    done <"$PLAN/repositories" >"$SCRATCH/read-keys"
    inside <"$SCRATCH/read-keys" || return
    mkdir -p "$SCRATCH/keys"
    while read -r id _; do
        # shellcheck disable=SC2153 # set by lend_scratch
        ! is_plain_file "$LENT/key-$id" || cp "$LENT/key-$id" "$SCRATCH/keys/$id" || return
    done <"$PLAN/repositories"
}
