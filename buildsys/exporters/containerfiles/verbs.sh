#!/bin/sh
# What no single command says: sh /.buildsys/verbs.sh VERB WORDS… in a Containerfile, with any POSIX shell.
# A verb that finds nothing to act on fails; `maybe` before it says that this is as it should be.
set -eu
umask 022
here=${0%/*}

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

edited=$here/edited
# shellcheck source=../../image/shell/edits.sh
. "$here/edits.sh"
# shellcheck source=../../image/shell/accounts.sh
. "$here/accounts.sh"

"$@"
