# The verbs of data instructions. Runs within the image, in its POSIX shell.
# An instruction that has no effect fails, unless its line begins with `optional`.
# The shell runs with -e: verbs are plain commands, never conditions, and a failing verb ends the step.
umask 022
here=/dev/buildsys
optional=
edited=$here/scratch/edited
# shellcheck source=../../image/shell/edits.sh
. $here/plan/lib/edits.sh
# shellcheck source=../../image/shell/accounts.sh
. $here/plan/lib/accounts.sh
# shellcheck source=copies.sh
. $here/plan/lib/copies.sh

# at SPOT: record the place of the next verb; the step outside reads it if this shell fails.
at() { printf '%s\n' "$1" >$here/scratch/spot; }

optional() {
    optional=yes
    "$@"
    optional=
}

# nothing WORDS: the instruction has no effect: fail, unless it is optional.
nothing() {
    [ -z "$optional" ] || return 0
    printf 'error: %s\n' "$*" >&2
    printf '  hint: if this is intended, set "optional: true"\n' >&2
    return 1
}

fail() {
    printf 'error: %s\n' "$*" >&2
    return 1
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# each GLOB COMMAND…: run the command with all paths that match the glob.
each() {
    glob=$1
    shift
    old_ifs=$IFS
    IFS=
    # shellcheck disable=SC2086 # the glob expands here; an empty IFS prevents splitting
    set -- "$@" $glob
    IFS=$old_ifs
    last=
    eval "last=\${$#}"
    if ! exists "$last"; then
        nothing "$glob: no such path in the image"
        return
    fi
    "$@"
}

# Files ------------------------------------------------------------------------------------------

# directory MODE OWNER PATH…
directory() {
    mode=$1 owner=$2
    shift 2
    for path; do
        mkdir -p "$path"
        [ -z "$owner" ] || chown "$owner" "$path"
        [ -z "$mode" ] || chmod "$mode" "$path"
    done
}

# mode MODE [-R] GLOB…
mode() { change chmod '' "$@"; }

# owner OWNER [-R] GLOB…: change links themselves, never their targets
owner() { change chown -h "$@"; }

change() {
    tool=$1 flags=$2 value=$3
    shift 3
    if [ "$1" = -R ]; then
        flags="$flags -R"
        shift
    fi
    for changed; do
        # shellcheck disable=SC2086 # flags are words of ours
        each "$changed" $tool $flags "$value"
    done
}

# link TARGET LINK [force]
link() {
    if exists "$2"; then
        if [ "${3-}" = force ]; then
            rm -f "$2"
        elif [ -L "$2" ] && [ "$(readlink "$2")" = "$1" ]; then
            return 0
        else
            fail "$2: exists already; set 'force: true' to replace it"
        fi
    fi
    mkdir -p "$(dirname "$2")"
    ln -s -- "$1" "$2"
}

# file MODE PATH…: create missing files
file() {
    mode=$1
    shift
    for path; do
        if ! exists "$path"; then
            mkdir -p "$(dirname "$path")"
            : >"$path"
        fi
        [ -z "$mode" ] || chmod "$mode" "$path"
    done
}

# remove [-R] GLOB…
remove() {
    flags=-f
    if [ "$1" = -R ]; then
        flags=-rf
        shift
    fi
    for removed; do each "$removed" rm "$flags"; done
}

# move FROM TO
move() {
    exists "$1" || fail "$1: no such path in the image"
    room_for "$2"
    # Across layers a folder is moved by copying, which must keep attributes.
    lent mv "$1" "$2"
}

# duplicate GLOB TO [preserve]: copy within the image; symbolic and hard links are kept
duplicate() {
    duplicate_to=$2 duplicate_how=links,xattr
    if [ "${3-}" = preserve ]; then duplicate_how=$duplicate_how,mode,ownership,timestamps; fi
    each "$1" copy_to
}

copy_to() {
    room_for "$duplicate_to"
    lent cp -R -P --preserve="$duplicate_how" -- "$@" "$duplicate_to"
}

# room_for PATH: create its directory; PATH itself if it ends with a slash
room_for() {
    case $1 in
        */) mkdir -p "$1" ;;
        *) mkdir -p "$(dirname "$1")" ;;
    esac
}

# Edits ------------------------------------------------------------------------------------------

# require PATTERN FILE
require() {
    [ -f "$2" ] || fail "$2: no such file in the image"
    grep -Eq -e "$1" "$2" || fail "$2: no line matches $1"
}

# Package manager's own files ----------------------------------------------------------------------

# repository FILE ID [KEY VALUE]…
repository() {
    section=$2 target=$1
    shift 2
    end_line "$target"
    {
        printf '[%s]\n' "$section"
        while [ $# -gt 0 ]; do
            printf '%s=%s\n' "$1" "$2"
            shift 2
        done
    } >>"$target"
}

# gems OPEN-FILES FLAGS FILE…: install Ruby gems from files only
gems() {
    (
        limit=$1 flags=$2
        shift 2
        # If the host allows fewer open files, use its limit.
        # shellcheck disable=SC3045 # every shell an image may have knows it
        [ "$limit" -eq 0 ] || ulimit -n "$limit" 2>/dev/null || ulimit -n "$(ulimit -Hn)"
        cd $here/plan/pool/gems || exit
        # shellcheck disable=SC2086
        gem install --local $flags "$@"
    )
}
