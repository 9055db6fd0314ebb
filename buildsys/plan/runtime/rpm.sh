# rpm: the checks of signatures for dnf and yum, and the installer of a locked plan. It is the host's rpm, mounted into the root, or the
# image's own, if that must write its database (INSIDE=1).

# cp copies the database of an image for dnf.
KIT_PROGRAMS='rpm rpmkeys cp'

# The database path of the image's own rpm; the host's may differ: Debian's rpm uses the caller's home.
RPM_DATABASE=/var/lib/rpm
if [[ $HOST == 1 && $(rpm --eval '%{_dbpath}') != */.rpmdb ]]; then RPM_DATABASE=$(rpm --eval '%{_dbpath}'); fi

# rpm_open_keyring: set KEYRING, a database of the site's keys, created once. Its name is a hash of the keys.
rpm_open_keyring() {
    local keys=() sum keyring
    [[ -z ${KEYRING-} ]] || return 0
    mapfile -t keys < <(list_site_keys)
    sum=$(cat /dev/null "${keys[@]}" | sha256sum) || return
    keyring=$STATE/keyring.${sum::16}
    exec 7>>"$STATE/keyring.lock"
    flock 7 || return
    if [[ ! -d $keyring ]]; then
        rm -rf "$keyring.part"
        # Rename it only when complete: a keyring that lacks a key would be used for ever.
        mkdir -p "$keyring.part/verified" &&
            { ((${#keys[@]} == 0)) || rpmkeys --dbpath "$keyring.part" --import "${keys[@]}"; } &&
            find "$keyring.part" -type f -exec sync -- {} + &&
            mv "$keyring.part" "$keyring" || return
    fi
    exec 7>&-
    KEYRING=$keyring
}

# list_site_keys: print the key files of this site, a line each: from the plan, fetched, or copied from the image.
list_site_keys() {
    local file
    for file in "$PLAN"/pool/keys/* "$STATE"/keys/* "$SCRATCH"/keys/*; do
        [[ ! -f $file ]] || printf '%s\n' "$file"
    done
}

# rpm_check_signatures FILE…: fail unless a key of this site signs each file. rpm itself only warns of an unknown key, and accepts a
# package without signature.
rpm_check_signatures() {
    local file
    rpm_open_keyring || return
    if ! rpmkeys --dbpath "$KEYRING" --define '_pkgverify_level all' --checksig "$@" >"$SCRATCH/signatures" 2>&1; then
        # The keyring may be damaged: let the next run create another. Other steps of this run may read it now.
        : >"$KEYRING.doubtful"
        while IFS= read -r file; do report_unsigned "$(basename "$file" .rpm)"; done < <(
            sed -nE 's/: .*(NOT OK|NOKEY|MISSING).*$//p' "$SCRATCH/signatures"
        )
        return 1
    fi
}

# rpm_verify FILE…: check the checksum of the lock and the signature of pool files, each once a plan. For files in PLAN/unsigned, whose
# repository has no key, only the checksum is checked.
rpm_verify() {
    local file unsigned signed=()
    rpm_open_keyring || return
    find_unverified "$KEYRING/verified" "$@" || return
    ((${#MARKS[@]})) || return 0
    verify_checksums || return
    unsigned=$'\n'$(<"$PLAN/unsigned")$'\n'
    for file in "${UNVERIFIED[@]}"; do
        [[ $unsigned == *$'\n'"$file"$'\n'* ]] || signed+=("$PLAN/pool/packages/$file")
    done
    ((${#signed[@]} == 0)) || rpm_check_signatures "${signed[@]}" || return
    touch "${MARKS[@]}"
}

# rpm_find_newest PACKAGE BUILDS FILE…: print the file with the newest build of a package, in rpm's order. If BUILDS is not empty, it
# names the candidates, a line each: EPOCH:VERSION-RELEASE.ARCH.
rpm_find_newest() {
    local package=$1 builds=$2 file name build
    shift 2
    for file; do
        IFS=$'\t' read -r name build < <(rpm --query --package --nosignature \
            --queryformat '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n' "$file" 2>/dev/null) || continue
        [[ $name == "$package" && (-z $builds || $'\n'$builds$'\n' == *$'\n'"$build"$'\n'*) ]] || continue
        printf '%s\n%s\n' "${build%.*}" "$file"
    done | rpm --eval '%{lua:
        -- An older rpm compares versions only without epoch and release.
        local function parts(build) return build:match("^(.-):(.*)-(.-)$") end
        local function newer(a, b)
            local ours, theirs = {parts(a)}, {parts(b)}
            for i = 1, 3 do
                local order = rpm.vercmp(ours[i], theirs[i])
                if order ~= 0 then return order > 0 end
            end
        end
        local newest, found
        for build in io.lines() do
            local file = io.read()
            if not newest or newer(build, newest) then newest, found = build, file end
        end
        if found then print(found) end
    }'
}

# rpm_transaction FILE…: install or update exactly these packages of the pool in one transaction.
rpm_transaction() {
    rpm_verify "$@" || return
    rpm_update "${@/#//dev/buildsys/plan/pool/packages/}"
}

# rpm_update PATH…: the same for files with checked signatures, by their paths within the root.
rpm_update() {
    rpm_call --upgrade --oldpackage --nosignature -- "$@" || return
    rpm_make_mount_points
}

# rpm_make_mount_points: create /dev, /proc and /sys if a package of the root owns them. `enter` creates missing ones for each entry and
# removes them again, so rpm did not create them.
rpm_make_mount_points() {
    local directory mode
    [[ ! -d $ROOT/dev || ! -d $ROOT/proc || ! -d $ROOT/sys ]] || return 0
    while read -r directory mode; do
        [[ -e $ROOT$directory || -L $ROOT$directory ]] || mkdir -m "${mode: -4}" "$ROOT$directory"
    done < <(rpm_run --query --all --queryformat '[%{FILENAMES} %{FILEMODES:octal}\n]' |
        awk '$1 ~ "^/(dev|proc|sys)$"')
}

# rpm_run ARGUMENTS…: run the rpm that writes this root's database: the image's own, or the host's.
rpm_run() {
    if [[ $INSIDE == 1 ]]; then
        within rpm "$@"
    else
        with_kit "${RPM_LENT[@]}" rpm "${RPM_SETTINGS[@]}" --dbpath "$RPM_DATABASE" --noplugins "$@" </dev/null
    fi
}
RPM_LENT=()

# The host's rpm uses the host's configuration, not the image's. The order of these files matters. Plugins are disabled: they act on the
# host, or need services that do not exist here.
KIT_RPM=/dev/buildsys/kit/rpm
RPM_SETTINGS=(
    --macros "$KIT_RPM/macros:$KIT_RPM/macros.d/macros.*:$KIT_RPM/platform/%{_target}/macros:$KIT_RPM/redhat/macros:$KIT_RPM/suse/macros:${KIT_RPM%/*}/macros"
    --rcfile "$KIT_RPM/rpmrc"
)

# rpm_list_kit: print options for the kit, a word a line. _netsharedpath makes rpm skip files of packages in /dev, /proc and /sys, where
# other file systems are mounted.
rpm_list_kit() {
    # By rename, because another step may read the file now; without it rpm uses another database.
    printf '%%_dbpath %s\n%%_netsharedpath /dev:/proc:/sys\n' "$RPM_DATABASE" >"$STATE/kit.macros.$BASHPID" &&
        mv -f "$STATE/kit.macros.$BASHPID" "$STATE/kit.macros" || return
    printf '%s\n' --ro-bind "$STATE/kit.macros" /dev/buildsys/kit/macros \
        --ro-bind "$(rpm --eval '%{_rpmconfigdir}')" /dev/buildsys/kit/rpm
}

# rpm_call ARGUMENTS…: run rpm on this root; a failed scriptlet, of which rpm only warns, is a failure.
rpm_call() {
    local status=0
    rpm_run "$@" >"$SCRATCH/rpm.out" 2>&1 || status=$?
    # Debian's rpm prints a hint to use alien.
    sed -i -e '/^rpm: RPM should not be used/d' -e '/^rpm: However assuming/d' "$SCRATCH/rpm.out"
    if [[ -s $SCRATCH/rpm.out ]]; then
        cat "$SCRATCH/rpm.out"
        explain_package_errors "$SCRATCH/rpm.out" || status=1
    fi
    return "$status"
}

# rpm_remove [--optional] PACKAGE…
rpm_remove() {
    local optional='' package present=()
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
    ((${#present[@]} == 0)) || rpm_call --erase -- "${present[@]}"
}

# rpm_import_key PATH: import a key file of the image.
rpm_import_key() {
    if [[ $INSIDE == 1 ]]; then
        within rpm --import "$1"
    else
        with_kit rpmkeys "${RPM_SETTINGS[@]}" --dbpath "$RPM_DATABASE" --import "$1" </dev/null
    fi
}

# rpm_fetch PACKAGE FILE: print the path of a locked package's file, after its checks.
rpm_fetch() {
    rpm_verify "$2" >&2 || return
    printf '%s' "$PLAN/pool/packages/$2"
}
