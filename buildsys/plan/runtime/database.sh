# The format of the package database, if the host's rpm writes it: different versions of rpm and SQLite write different bytes for the
# same packages. It is part of the build key, so that equal keys mean equal images on every host.

# shellcheck source=/dev/null
. "$LIB/programs.sh"

# find_database_format: set BS_DATABASE, a word; `-` if the image's own tools write the database. lib/run.sh does this once for all
# steps, and tests rpm again only if the file of a program or a library changed.
find_database_format() {
    local known=$STATE/database record=() files now version
    BS_DATABASE=-
    [[ $INSTALLER == rpm || $INSTALLER == dnf ]] && [[ $INSIDE != 1 ]] && type -P rpm rpmdb >/dev/null || return 0
    if [[ -s $known ]]; then
        mapfile -t record <"$known"
        # Names follow the numbers, and contain no newline.
        mapfile -t files < <(printf '%s\n' "${record[@]:1}" | cut -d ' ' -f 4-)
        now=$(stat --dereference --format '%s %Y %i %n' -- "${files[@]}" 2>/dev/null) || now=''
        if [[ ${record[0]} == rpm-* && -n $now && $now == "$(printf '%s\n' "${record[@]:1}")" ]]; then
            BS_DATABASE=${record[0]}
            return
        fi
    fi
    version=$(rpm --version) || return
    mapfile -t files < <(type -P rpm; list_libraries "$(type -P rpm)" | awk '/^lib\/lib(rpm|sqlite)/ { print $2 }')
    BS_DATABASE=rpm-${version##* }-$(hash_empty_database) || return
    {
        printf '%s\n' "$BS_DATABASE"
        stat --dereference --format '%s %Y %i %n' -- "${files[@]}"
    } >"$known.$BASHPID" && mv -f "$known.$BASHPID" "$known"
}

# hash_empty_database: print a short hash of an empty SQLite database; `other` for other formats, which only rpm's version identifies.
hash_empty_database() {
    local folder sum=other
    folder=$(mktemp -d "$STATE/scratch.database.XXXXXX") || return
    rpmdb --define "_dbpath $folder" --initdb >/dev/null 2>&1 || :
    if [[ -s $folder/rpmdb.sqlite ]]; then sum=$(sha256sum <"$folder/rpmdb.sqlite") || return; fi
    rm -rf "$folder"
    printf '%.12s' "$sum"
}
