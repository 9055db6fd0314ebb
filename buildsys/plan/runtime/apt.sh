# apt: the installer of a plan for Debian. apt has had its say when the lock was made; the image's own dpkg does the rest,
# in the order apt has worked out. Nothing here solves or fetches.

KIT_PROGRAMS='ln mkdir tar'

# apt_bootstrap FILE…: fill the empty root with exactly these packages of the pool. Their files first, all at once: dpkg
# and what it calls are among them. Then dpkg installs them as if it had been there.
apt_bootstrap() {
    local directory
    apt_verified "$@" || return
    for directory in dev proc sys; do [[ -d $ROOT/$directory ]] || mkdir -m 755 "$ROOT/$directory"; done
    # /bin and its like are links to /usr/bin where Debian has it so.
    if grep -q '^package usr-is-merged ' "$PLAN/keys/$IMAGE"; then
        with_kit mkdir -p /usr/bin /usr/sbin /usr/lib /usr/lib64 </dev/null || return
        for directory in bin sbin lib lib64; do with_kit ln -s "usr/$directory" "/$directory" </dev/null || return; done
    fi
    apt_unpack "$@" || return
    apt_call bootstrap "$@"
}

# apt_unpack FILE…: their files, by a tar within the root. The host reads the packages and no more.
apt_unpack() {
    local file
    for file; do dpkg-deb --fsys-tarfile "$PLAN/pool/packages/$file" || return; done |
        with_kit tar --extract --ignore-zeros --directory=/ --preserve-permissions --numeric-owner --keep-directory-symlink \
            --exclude=./dev --exclude=./proc --exclude=./sys
}

# apt_transaction WORD…: install or update exactly these files of the pool; between them stands what must be configured
# before more is unpacked: --configure=NAME,NAME
apt_transaction() {
    local word files=()
    for word; do [[ $word == --configure=* ]] || files+=("$word"); done
    apt_verified "${files[@]}" || return
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
            packages_absent "$package"
            return 1
        fi
    done
    ((${#present[@]} == 0)) || apt_call purge "${present[@]}"
}

# apt_import_key PATH: a key file of the image becomes one that its apt trusts.
apt_import_key() {
    inside <<END
mkdir -p /etc/apt/trusted.gpg.d
cp $(printf '%q' "$1") /etc/apt/trusted.gpg.d/
END
}

# apt_fetch PACKAGE FILE: path of a locked package's file, verified.
apt_fetch() {
    apt_verified "$2" >&2 || return
    printf '%s' "$PLAN/pool/packages/$2"
}

# apt_call WORDS…: lib/apt-inside.sh within the root; of what fails it says which line of the recipe asks for it.
apt_call() {
    local status=0
    within /bin/sh /dev/buildsys/plan/lib/apt-inside.sh "$@" >"$SCRATCH/apt.out" 2>&1 || status=$?
    cat "$SCRATCH/apt.out"
    ((status == 0)) || apt_explain "$SCRATCH/apt.out"
    return "$status"
}

# apt_verified FILE…: pool files with the lock's checksum; each is looked at once a plan.
apt_verified() {
    mkdir -p "$STATE/verified" || return
    packages_unseen "$STATE/verified" "$@" || return
    ((${#MARKS[@]})) || return 0
    packages_whole || return
    touch "${MARKS[@]}"
}

# apt_explain OUTPUT: say of the failure that dpkg tells which package it is, and which line of the recipe asks for it.
apt_explain() {
    local package what
    while IFS=$'\t' read -r package what; do
        apt_asked_for "$package"
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

# apt_asked_for PACKAGE: sets SPOT to the line of the recipe that asks for it.
apt_asked_for() {
    local spot
    spot=$(place_of "$1" '_[^ ]+')
    SPOT=${spot:-$SPOT}
}
