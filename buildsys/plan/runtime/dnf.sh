# dnf on the host, against the mounted root.

# dnf_call ARGUMENTS…: one dnf on this root, with the site's repositories and keys and nothing of the host's.
dnf_call() {
    local config=$SCRATCH/dnf.conf text
    dnf_safe_root || return
    if [[ ! -e $config ]]; then
        text=$(<"$PLAN/pool/repositories.conf")
        printf '%s\n' "${text//@PLAN@/${PLAN// /%20}}" >"$config"
        mkdir -p "$SCRATCH/home"
        # Debian's rpm keeps its database in the home of the caller; an image keeps it where its own rpm looks.
        printf '%%_dbpath /var/lib/rpm\n' >"$SCRATCH/home/.rpmmacros"
    fi
    HOME=$SCRATCH/home beside dnf --config "$config" --installroot "$ROOT" --releasever "${RELEASE:-/}" --assumeyes --quiet "$@" \
        >"$SCRATCH/dnf.out" 2>&1 || {
        local status=$?
        cat "$SCRATCH/dnf.out"
        packages_explain "$SCRATCH/dnf.out"
        return "$status"
    }
    cat "$SCRATCH/dnf.out"
    # A failed scriptlet is only a warning of rpm; for an image it is a failure.
    if grep -Eq '(scriptlet failed|Error in .* scriptlet|warning: .* NOKEY)' "$SCRATCH/dnf.out"; then
        printf 'error: a scriptlet failed; see above\n'
        return 1
    fi
}

dnf_bootstrap() { retry dnf_call install -- "$@"; }
dnf_install() { retry dnf_call install -- "$@"; }
dnf_update() { retry dnf_call upgrade; }

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

# dnf_fetch PACKAGE: path of the newest file of a package, its signature checked against the site's keys.
dnf_fetch() {
    local file name
    while IFS= read -r file; do
        name=$(rpm --query --package --nosignature --queryformat '%{NAME}' "$file")
        [[ $name == "$1" ]] || continue
        rpm_signed "$file" || return 1
        printf '%s' "$file"
        return
    done < <(find "$PLAN/pool/repos" -name "$1-[0-9]*.rpm" | sort -rV)
    printf 'error: package %s is in no repository of this site\n' "$1" >&2
    return 1
}

dnf_rpm() { beside rpm --root "$ROOT" --dbpath /var/lib/rpm "$@"; }

# dnf_safe_root: dnf follows links in the directories it writes to, out of the root if they lead there.
dnf_safe_root() {
    local directory
    for directory in var var/log var/cache var/cache/dnf var/lib var/lib/dnf var/lib/rpm; do
        [[ -L $ROOT/$directory ]] || continue
        case $(realpath -m "$ROOT/$directory")/ in "$ROOT"/*) continue ;; esac
        printf 'error: /%s of the root is a symbolic link to %s, which leads out of it\n' \
            "$directory" "$(readlink "$ROOT/$directory")"
        return 1
    done
}
