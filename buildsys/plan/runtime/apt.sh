# apt: the installer of a plan for Debian. apt solved and fetched when the lock was made; here the image's own dpkg installs, in the order
# that apt computed.

KIT_PROGRAMS='ln mkdir tar'

# apt_bootstrap FILE…: fill the empty root with exactly these packages of the pool. First unpack all files, because dpkg and the programs
# that it calls are among them. Then dpkg installs the packages.
apt_bootstrap() {
    local directory directories
    apt_verify "$@" || return
    for directory in dev proc sys; do [[ -d $ROOT/$directory ]] || mkdir -m 755 "$ROOT/$directory"; done
    # Since Debian 12 /bin, /sbin and /lib are links to folders of /usr.
    if grep -q '^package usr-is-merged ' "$PLAN/keys/$IMAGE"; then
        # Only amd64 has a /lib64.
        directories=(bin sbin lib)
        [[ $PLATFORM != linux/amd64 ]] || directories+=(lib64)
        with_kit mkdir -p "${directories[@]/#//usr/}" </dev/null || return
        for directory in "${directories[@]}"; do with_kit ln -s "usr/$directory" "/$directory" </dev/null || return; done
    fi
    apt_unpack "$@" || return
    apt_call bootstrap "$@"
}

# apt_unpack FILE…: unpack their files with a tar within the root. The host only reads the packages.
apt_unpack() {
    local file
    for file; do dpkg-deb --fsys-tarfile "$PLAN/pool/packages/$file" || return; done |
        with_kit tar --extract --ignore-zeros --directory=/ --preserve-permissions --numeric-owner --keep-directory-symlink \
            --exclude=./dev --exclude=./proc --exclude=./sys
}

# apt_transaction WORD…: install or update exactly these files of the pool. --configure=NAME,NAME between them names packages that must be
# configured before the next files are unpacked.
apt_transaction() {
    local word files=()
    for word; do [[ $word == --configure=* ]] || files+=("$word"); done
    apt_verify "${files[@]}" || return
    apt_call install "$@"
}

# apt_remove [--optional] PACKAGE…
apt_remove() {
    local optional='' package present=()
    if [[ $1 == --optional ]]; then
        optional=yes
        shift
    fi
    for package; do
        # shellcheck disable=SC2016 # for dpkg-query
        if [[ $(within dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) == installed ]]; then
            present+=("$package")
        elif [[ -z $optional ]]; then
            report_absent "$package"
            return 1
        fi
    done
    ((${#present[@]} == 0)) || apt_call purge "${present[@]}"
}

# apt_import_key PATH: make the image's apt trust a key file of the image.
apt_import_key() {
    inside <<END
mkdir -p /etc/apt/trusted.gpg.d
cp $(printf '%q' "$1") /etc/apt/trusted.gpg.d/
END
}

# apt_fetch PACKAGE FILE: print the path of a locked package's file, after its check.
apt_fetch() {
    apt_verify "$2" >&2 || return
    printf '%s' "$PLAN/pool/packages/$2"
}

# apt_call WORDS…: run lib/apt-inside.sh within the root; explain failures.
apt_call() {
    local status=0
    within /bin/sh /dev/buildsys/plan/lib/apt-inside.sh "$@" >"$SCRATCH/apt.out" 2>&1 || status=$?
    cat "$SCRATCH/apt.out"
    ((status == 0)) || apt_explain "$SCRATCH/apt.out"
    return "$status"
}

# apt_verify FILE…: check the checksum of the lock for pool files, each once a plan.
apt_verify() {
    mkdir -p "$STATE/verified" || return
    find_unverified "$STATE/verified" "$@" || return
    ((${#MARKS[@]})) || return 0
    verify_checksums || return
    touch "${MARKS[@]}"
}

# apt_explain OUTPUT: print, for a failure in dpkg's output, the package and the line of the recipe that requests it.
apt_explain() {
    local package what
    while IFS=$'\t' read -r package what; do
        apt_set_spot "$package"
        printf 'error: %s: the package %s: %s; see above\n' "$SPOT" "$package" "$what"
    done < <(awk '
        /^dpkg: error processing (package|archive) / {
            package = $5
            sub(/:[a-z0-9]+$/, "", package); sub(/.*\//, "", package); sub(/_.*/, "", package)
            next
        }
        package == "" { next }
        /dependency problems/ { package = ""; next }
        {
            sub(/^ +/, "")
            if (match($0, /(pre|post)-(installation|removal) script subprocess/)) {
                script = substr($0, RSTART, RLENGTH - 11)
                sub(/.*exit status /, "")
                $0 = "its " script " ends with status " $0
            }
            print package "\t" $0
            package = ""
        }' "$1")
}

# apt_set_spot PACKAGE: set SPOT to the line of the recipe that requests it.
apt_set_spot() {
    local spot
    spot=$(find_place "$1" '_[^ ]+')
    SPOT=${spot:-$SPOT}
}
