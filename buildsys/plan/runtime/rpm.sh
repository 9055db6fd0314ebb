# rpm: what dnf and yum share about signatures, and the whole installer of a locked plan: the host's, lent to the root, or
# where the image's own rpm must write its database (INSIDE=1), that one.

# cp reads the database of an image for dnf.
KIT_PROGRAMS='rpm rpmkeys cp'

# Where the image's own rpm looks for its database; the host's may look elsewhere: Debian's in the home of the caller.
RPM_DATABASE=/var/lib/rpm
if [[ $HOST == 1 && $(rpm --eval '%{_dbpath}') != */.rpmdb ]]; then RPM_DATABASE=$(rpm --eval '%{_dbpath}'); fi

# rpm_keyring: a database of the site's keys, made once; sets KEYRING. Its name says which keys are in it.
rpm_keyring() {
    local keys=() sum keyring
    [[ -z ${KEYRING-} ]] || return 0
    mapfile -t keys < <(site_keys)
    sum=$(cat /dev/null "${keys[@]}" | sha256sum) || return
    keyring=$STATE/keyring.${sum::16}
    exec 7>>"$STATE/keyring.lock"
    flock 7 || return
    if [[ ! -d $keyring ]]; then
        rm -rf "$keyring.part"
        # One that lacks a key would be there for ever.
        mkdir -p "$keyring.part/verified" &&
            { ((${#keys[@]} == 0)) || rpmkeys --dbpath "$keyring.part" --import "${keys[@]}"; } &&
            find "$keyring.part" -type f -exec sync -- {} + &&
            mv "$keyring.part" "$keyring" || return
    fi
    exec 7>&-
    KEYRING=$keyring
}

# site_keys: the key files of this site, a line each: of the plan, and what was fetched or taken out of the image.
site_keys() {
    local file
    for file in "$PLAN"/pool/keys/* "$STATE"/keys/* "$SCRATCH"/keys/*; do
        [[ ! -f $file ]] || printf '%s\n' "$file"
    done
}

# rpm_signed FILE…: does a key of this site sign each? Of itself rpm only warns of an unknown key, and says nothing
# of a package that is not signed.
rpm_signed() {
    local file
    rpm_keyring || return
    if ! rpmkeys --dbpath "$KEYRING" --define '_pkgverify_level all' --checksig "$@" >"$SCRATCH/signatures" 2>&1; then
        # It may be the keyring that is damaged: the next run makes another.
        rm -rf "${KEYRING:?}"
        while IFS= read -r file; do packages_unsigned "$(basename "$file" .rpm)"; done < <(
            sed -nE 's/: .*(NOT OK|NOKEY|MISSING).*$//p' "$SCRATCH/signatures"
        )
        return 1
    fi
}

# rpm_verified FILE…: pool files with the lock's checksum and a signature of the site; each is looked at once a plan.
# Of those that PLAN/unsigned names, whose repository has no key, the checksum is all there is.
rpm_verified() {
    local file unsigned signed=()
    rpm_keyring || return
    packages_unseen "$KEYRING/verified" "$@" || return
    ((${#MARKS[@]})) || return 0
    packages_whole || return
    unsigned=$'\n'$(<"$PLAN/unsigned")$'\n'
    for file in "${UNSEEN[@]}"; do
        [[ $unsigned == *$'\n'"$file"$'\n'* ]] || signed+=("$PLAN/pool/packages/$file")
    done
    ((${#signed[@]} == 0)) || rpm_signed "${signed[@]}" || return
    touch "${MARKS[@]}"
}

# rpm_newest PACKAGE BUILDS FILE…: prints which of these files is the newest build of a package, in rpm's own order; of all,
# or of those that BUILDS names, a line each: EPOCH:VERSION-RELEASE.ARCH.
rpm_newest() {
    local package=$1 builds=$2 file name build
    shift 2
    for file; do
        IFS=$'\t' read -r name build < <(rpm --query --package --nosignature \
            --queryformat '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n' "$file" 2>/dev/null) || continue
        [[ $name == "$package" && (-z $builds || $'\n'$builds$'\n' == *$'\n'"$build"$'\n'*) ]] || continue
        printf '%s\n%s\n' "${build%.*}" "$file"
    done | rpm --eval '%{lua:
        -- An older rpm compares versions, but not with an epoch before them or a release behind.
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

# rpm_transaction FILE…: install or update exactly these packages of the pool, in one transaction.
rpm_transaction() {
    rpm_verified "$@" || return
    rpm_update "${@/#//dev/buildsys/plan/pool/packages/}"
}

# rpm_update PATH…: the same of files whose signatures were looked at, by their paths within the root.
rpm_update() {
    rpm_call --upgrade --oldpackage --nosignature -- "$@" || return
    rpm_mount_points
}

# rpm_mount_points: /dev, /proc and /sys are lent to a root that has none, and taken away again. Where a package brings
# them they are the root's own, as its database says.
rpm_mount_points() {
    local directory mode
    [[ ! -d $ROOT/dev || ! -d $ROOT/proc || ! -d $ROOT/sys ]] || return 0
    while read -r directory mode; do
        [[ -e $ROOT$directory || -L $ROOT$directory ]] || mkdir -m "${mode: -4}" "$ROOT$directory"
    done < <(rpm_on_root --query --all --queryformat '[%{FILENAMES} %{FILEMODES:octal}\n]' |
        awk '$1 ~ "^/(dev|proc|sys)$"')
}

# rpm_on_root ARGUMENTS…: the rpm that may write this root's database: the image's own, or the host's.
rpm_on_root() {
    if [[ $INSIDE == 1 ]]; then
        within rpm "$@"
    else
        with_kit "${RPM_LENT[@]}" rpm "${RPM_SETTINGS[@]}" --dbpath "$RPM_DATABASE" --noplugins "$@" </dev/null
    fi
}
RPM_LENT=()

# The host's rpm has the host's configuration and none of the image's. What it reads first it needs for the others.
# Its plugins act on the host, or want what nobody here has.
KIT_RPM=/dev/buildsys/kit/rpm
RPM_SETTINGS=(
    --macros "$KIT_RPM/macros:$KIT_RPM/macros.d/macros.*:$KIT_RPM/platform/%{_target}/macros:$KIT_RPM/redhat/macros:$KIT_RPM/suse/macros:${KIT_RPM%/*}/macros"
    --rcfile "$KIT_RPM/rpmrc"
)

# rpm_kit: words for the kit, a line each. Packages may bring what they like of /dev, /proc and /sys: something else is
# mounted there.
rpm_kit() {
    # By rename: another step of this run may be reading it, and without it rpm takes another database.
    printf '%%_dbpath %s\n%%_netsharedpath /dev:/proc:/sys\n' "$RPM_DATABASE" >"$STATE/kit.macros.$BASHPID" &&
        mv -f "$STATE/kit.macros.$BASHPID" "$STATE/kit.macros" || return
    printf '%s\n' --ro-bind "$STATE/kit.macros" /dev/buildsys/kit/macros \
        --ro-bind "$(rpm --eval '%{_rpmconfigdir}')" /dev/buildsys/kit/rpm
}

# rpm_call ARGUMENTS…: rpm on this root; what is only a warning to it, a failed scriptlet, is a failure here.
rpm_call() {
    local status=0
    rpm_on_root "$@" >"$SCRATCH/rpm.out" 2>&1 || status=$?
    # Debian's rpm greets everybody who does not use alien.
    sed -i -e '/^rpm: RPM should not be used/d' -e '/^rpm: However assuming/d' "$SCRATCH/rpm.out"
    if [[ -s $SCRATCH/rpm.out ]]; then
        cat "$SCRATCH/rpm.out"
        packages_explain "$SCRATCH/rpm.out" || status=1
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
        if rpm_on_root --query --quiet "$package"; then
            present+=("$package")
        elif [[ -z $optional ]]; then
            packages_absent "$package"
            return 1
        fi
    done
    ((${#present[@]} == 0)) || rpm_call --erase -- "${present[@]}"
}

# rpm_import_key PATH: a key file of the image.
rpm_import_key() {
    if [[ $INSIDE == 1 ]]; then
        within rpm --import "$1"
    else
        with_kit rpmkeys "${RPM_SETTINGS[@]}" --dbpath "$RPM_DATABASE" --import "$1" </dev/null
    fi
}

# rpm_fetch PACKAGE FILE: path of a locked package's file, verified.
rpm_fetch() {
    rpm_verified "$2" >&2 || return
    printf '%s' "$PLAN/pool/packages/$2"
}
