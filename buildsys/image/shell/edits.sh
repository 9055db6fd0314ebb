# Edit files in place: their inode, mode and owner do not change. POSIX shell, for plans and for exported Containerfiles.
# The file that sources this one sets `edited`, a temporary file, and defines `fail` (an error) and `nothing` (an error, unless the
# instruction is optional).
# shellcheck shell=sh disable=SC2154

mark=$(printf '\001')

# comment PATTERN FILE
comment() { edit "$2" "\\$mark$1$mark s/^/#/"; }

# replace PATTERN REPLACEMENT FILE; a replacement of several lines becomes several lines
replace() { edit "$3" "s$mark$1$mark$(printf '%s\n' "$2" | sed '$!s/$/\\/')${mark}g"; }

# edit FILE SED-SCRIPT: change lines of a file in place
edit() {
    if [ ! -f "$1" ]; then
        nothing "$1: no such file in the image"
        return
    fi
    sed -E "$2" "$1" >"$edited"
    if [ "$(sha256sum <"$1")" = "$(sha256sum <"$edited")" ]; then
        nothing "$1: the edit matches no line"
        return
    fi
    cat "$edited" >"$1"
}

# append FILE LINE…
append() {
    appended=$1
    shift
    end_line "$appended"
    printf '%s\n' "$@" >>"$appended"
}

# append_file SOURCE FILE
append_file() {
    [ -f "$1" ] || fail "$1: no such file in the image"
    end_line "$2"
    cat "$1" >>"$2"
}

# end_line FILE: end the last line, so that appended text starts a new one
end_line() {
    mkdir -p "$(dirname "$1")"
    if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then printf '\n' >>"$1"; fi
}

# disable_repository ID
disable_repository() {
    for candidate in /etc/yum.repos.d/*.repo; do
        [ -f "$candidate" ] || continue
        if awk -v id="[$1]" '
            /^\[/ { here = ($1 == id); if (here) { found = 1; print; print "enabled=0"; next } }
            here && /^enabled *=/ { next }
            { print }
            END { exit !found }' "$candidate" >"$edited"; then
            cat "$edited" >"$candidate"
            return 0
        fi
    done
    nothing "repository $1 is not configured in the image"
}
