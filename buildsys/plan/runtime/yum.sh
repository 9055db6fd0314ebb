# yum within the image: its own rpm writes its own database, which the host's newer rpm would not.

# yum_call [cache=DIR] WORDS…: one yum in this root, with the site's repositories and keys and nothing of the image's.
yum_call() {
    local status=0 lent=() text
    if [[ $1 == cache=* ]]; then
        lent=("$1")
        shift
    fi
    if [[ ! -e $SCRATCH/yum/yum.conf ]]; then
        text=$(<"$PLAN/pool/repositories.conf")
        mkdir -p "$SCRATCH/yum"
        with_logins yum <<<"${text//@PLAN@//dev/buildsys/plan}" >"$SCRATCH/yum/yum.conf"
    fi
    # Scriptlets run without network, and see none of it. What is called yum may be dnf, which has other names for them.
    LOGINS=()
    if [[ $ONLINE == 1 ]]; then
        logins yum
        LOGINS=("${LOGINS[@]/#yum/YUM}" "${LOGINS[@]/#/DNF_VAR_}")
    fi
    within yum="$SCRATCH/yum" "${lent[@]}" yum --assumeyes --config=/dev/buildsys/yum/yum.conf "$@" \
        >"$SCRATCH/yum.out" 2>&1 || status=$?
    LOGINS=()
    cat "$SCRATCH/yum.out"
    packages_explain "$SCRATCH/yum.out" || status=1
    return "$status"
}

yum_bootstrap() { yum_install "$@"; }

# yum_settle: yum reads the database and then writes it. On overlay the first write moves a file from beneath, under
# yum's hands, so all of them are moved up before it begins.
yum_settle() {
    # shellcheck disable=SC2016 # for the shell inside
    within /bin/sh -c 'cd "$(rpm --eval "%{_dbpath}")" && for file in *; do [ ! -f "$file" ] || : >>"$file"; done'
}

# yum_install PACKAGE…
yum_install() {
    yum_settle
    from_repositories install "$@"
    yum_installed "$@"
}

# yum_installed PACKAGE…: yum exits 0 when one of several names is missing, so rpm is asked for each.
yum_installed() {
    local package status=0
    # shellcheck disable=SC2016 # for the shell inside
    within /bin/sh -c 'for package; do
            rpm --query --quiet "$package" || rpm --query --quiet --whatprovides "$package" || printf "%s\n" "$package"
        done' sh "$@" >"$SCRATCH/missing"
    while IFS= read -r package; do
        packages_missing "$package"
        status=1
    done <"$SCRATCH/missing"
    return "$status"
}

yum_update() {
    yum_settle
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
            packages_absent "$package"
            return 1
        fi
    done
    ((${#present[@]})) || return 0
    yum_settle
    yum_call --cacheonly remove "${present[@]}"
}

yum_import_key() { within rpm --import "$1"; }

# yum_fetch PACKAGE: prints the path of a package's file; yum looks at signatures when it installs, so rpm does it here.
yum_fetch() {
    local file
    file=$(payload_file "$1") || return
    yum_keys || return
    rpm_signed "$file" >&2 || return
    printf '%s' "$file"
}

# yum_keys: the keys that lie in the image, as far as it has them yet, read from inside: SCRATCH/keys.
yum_keys() {
    local id key
    while read -r id _ key; do
        [[ $key == /* ]] || continue
        printf '[ ! -f %q ] || cat %q >/dev/buildsys/scratch/key-%q\n' "$key" "$key" "$id"
    done <"$PLAN/repositories" >"$SCRATCH/read-keys"
    inside <"$SCRATCH/read-keys" || return
    mkdir -p "$SCRATCH/keys"
    while read -r id _; do
        # shellcheck disable=SC2153 # set by lend_scratch
        ! plain_file "$LENT/key-$id" || cp "$LENT/key-$id" "$SCRATCH/keys/$id" || return
    done <"$PLAN/repositories"
}
