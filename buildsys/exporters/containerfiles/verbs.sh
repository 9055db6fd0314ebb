#!/bin/sh
# What no single command says: sh /.buildsys/verbs.sh VERB WORDS… in a Containerfile, with any POSIX shell.
# A verb that finds nothing to act on fails; `maybe` before it says that this is as it should be.
set -eu
umask 022
here=${0%/*}
newline='
'

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# maybe VERB WORDS…
maybe() {
    optional=yes
    "$@"
}
optional=

nothing() { [ -n "$optional" ] || fail "$@"; }

# each GLOB COMMAND…: run the command with the paths that the glob names; nothing where it names none
each() {
    glob=$1
    shift
    IFS=
    # shellcheck disable=SC2086 # the glob is meant to expand; an empty IFS keeps it from splitting
    for path in $glob; do
        if exists "$path"; then "$@" "$path"; fi
    done
}

# duplicate FLAGS TO GLOB: cp where there is something to copy
duplicate() {
    flags=$1 to=$2
    each "$3" copy
}
copy() {
    case $to in
        */) mkdir -p "$to" ;;
        *) mkdir -p "$(dirname "$to")" ;;
    esac
    cp "$flags" "$1" "$to"
}

# link TARGET LINK: the link may be there already, as it should be
link() {
    if exists "$2"; then
        [ "$(readlink "$2" || :)" = "$1" ] || fail "$2: exists already"
    else
        mkdir -p "$(dirname "$2")"
        ln -s -- "$1" "$2"
    fi
}

# file PATH…: make sure files exist
file() {
    for path; do
        exists "$path" || { mkdir -p "$(dirname "$path")" && : >"$path"; }
    done
}

# within DIR COMMAND…
within() {
    cd "$1"
    shift
    exec "$@"
}

# erase PACKAGE…: by rpm, those that are installed
erase() {
    for package; do
        if rpm --query --quiet "$package"; then rpm --erase "$package"; fi
    done
}

# checked SHA256 FILE
checked() {
    sum=$(sha256sum <"$2")
    [ "${sum%% *}" = "$1" ] || fail "$2: its sha256 is ${sum%% *}, not $1"
}

# limit OPEN-FILES COMMAND…: where the builder grants less, its most has to do
limit() {
    # shellcheck disable=SC3045 # every shell an image may have knows it
    ulimit -n "$1" 2>/dev/null || ulimit -n "$(ulimit -Hn)"
    shift
    exec "$@"
}

# Files edited in place: their inode, mode and owner stay ------------------------------------------------

mark=$(printf '\001')

# comment PATTERN FILE
comment() { edit "$2" "\\$mark$1$mark s/^/#/"; }

# replace PATTERN REPLACEMENT FILE; a replacement of several lines becomes several lines
replace() { edit "$3" "s$mark$1$mark$(printf '%s\n' "$2" | sed '$!s/$/\\/')${mark}g"; }

edit() {
    if [ ! -f "$1" ]; then
        nothing "$1: no such file in the image"
        return
    fi
    sed -E "$2" "$1" >"$here/edited"
    if [ "$(cat "$here/edited" && printf .)" = "$(cat "$1" && printf .)" ]; then
        nothing "$1: the edit matches no line"
        return
    fi
    cat "$here/edited" >"$1"
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

# end_line FILE: what is appended next begins a line of its own
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
            END { exit !found }' "$candidate" >"$here/edited"; then
            cat "$here/edited" >"$candidate"
            return
        fi
    done
    nothing "repository $1 is not configured in the image"
}

# Accounts: written as data, so no date gets in and no tool is needed -------------------------------------

# account NAME UID GID HOME SHELL [GROUP…]
account() {
    name=$1 gid=$3 entry=$1:x:$2:$3::$4:$5
    shift 5
    look_up "$name" /etc/passwd
    if [ -z "$line" ]; then
        enter "$entry" /etc/passwd
        look_up "$name" /etc/shadow
        [ -n "$line" ] || enter "$name:!!::0:99999:7:::" /etc/shadow
    elif [ "$line" != "$entry" ]; then
        fail "account $name exists with other values: $line"
    fi
    look_up "$name" /etc/group
    case $line in
        '')
            enter "$name:x:$gid:" /etc/group
            look_up "$name" /etc/gshadow
            [ -n "$line" ] || enter "$name:!::" /etc/gshadow ;;
        "$name:"*":$gid:"*) ;;
        *) fail "group $name exists with other values: $line" ;;
    esac
    for group; do join_group "$name" "$group"; done
}

# change_account NAME HOME SHELL [GROUP…]: an empty home or shell stays as it is
change_account() {
    name=$1 home=$2 login=$3
    shift 3
    look_up "$name" /etc/passwd
    [ -n "$line" ] || fail "account $name does not exist"
    rest=${line%:*}
    enter "${rest%:*}:${home:-${rest##*:}}:${login:-${line##*:}}" /etc/passwd
    for group; do join_group "$name" "$group"; done
}

join_group() {
    look_up "$2" /etc/group
    [ -n "$line" ] || fail "group $2 does not exist"
    for database in /etc/group /etc/gshadow; do
        look_up "$2" $database
        case $line in
            '' | *:"$1" | *:"$1",* | *,"$1" | *,"$1",*) ;;
            *:) enter "$line$1" $database ;;
            *) enter "$line,$1" $database ;;
        esac
    done
}

# look_up NAME FILE: sets line to the entry of that name, or to nothing; table to all lines, each between newlines
look_up() {
    table=$newline line=
    [ ! -s "$2" ] || table=$newline$(cat "$2")$newline
    case $table in
        *"$newline$1:"*)
            line=$1:${table#*"$newline$1:"}
            line=${line%%"$newline"*} ;;
    esac
}

# enter ENTRY FILE: after look_up, put this entry in the place of that line, or at the end
enter() {
    if [ -n "$line" ]; then
        table=${table%%"$newline$line$newline"*}$newline$1$newline${table#*"$newline$line$newline"}
    else
        table=$table$1$newline
    fi
    case $2 in
        *shadow) [ -e "$2" ] || (umask 077 && : >"$2") ;;
    esac
    printf '%s' "${table#"$newline"}" >"$2"
}

"$@"
