# The format of the package database, where the host's own rpm writes it: another rpm or SQLite writes other bytes for the
# same packages. It belongs to the build key: equal keys mean equal images on every host.

# shellcheck source=/dev/null
. "$LIB/programs.sh"

# database_format: sets BS_DATABASE, a word; `-` where the image's own tools write the database. lib/run.sh asks once for
# all steps, and again only when one of the programs and libraries that write is another file.
database_format() {
    local known=$STATE/database said=() files now version
    BS_DATABASE=-
    [[ $INSTALLER == rpm || $INSTALLER == dnf ]] && [[ $INSIDE != 1 ]] && type -P rpm rpmdb >/dev/null || return 0
    if [[ -s $known ]]; then
        mapfile -t said <"$known"
        # Names stand behind the numbers, and may hold anything but a newline.
        mapfile -t files < <(printf '%s\n' "${said[@]:1}" | cut -d ' ' -f 4-)
        now=$(stat --dereference --format '%s %Y %i %n' -- "${files[@]}" 2>/dev/null) || now=''
        if [[ ${said[0]} == rpm-* && -n $now && $now == "$(printf '%s\n' "${said[@]:1}")" ]]; then
            BS_DATABASE=${said[0]}
            return
        fi
    fi
    version=$(rpm --version) || return
    mapfile -t files < <(type -P rpm; libraries "$(type -P rpm)" | awk '/^lib\/lib(rpm|sqlite)/ { print $2 }')
    BS_DATABASE=rpm-${version##* }-$(empty_database) || return
    {
        printf '%s\n' "$BS_DATABASE"
        stat --dereference --format '%s %Y %i %n' -- "${files[@]}"
    } >"$known.$BASHPID" && mv -f "$known.$BASHPID" "$known"
}

# empty_database: what SQLite makes of an empty one, in a few letters; of other databases the version says all that is known.
empty_database() {
    local folder sum=other
    folder=$(mktemp -d "$STATE/scratch.database.XXXXXX") || return
    rpmdb --define "_dbpath $folder" --initdb >/dev/null 2>&1 || :
    if [[ -s $folder/rpmdb.sqlite ]]; then sum=$(sha256sum <"$folder/rpmdb.sqlite") || return; fi
    rm -rf "$folder"
    printf '%.12s' "$sum"
}
