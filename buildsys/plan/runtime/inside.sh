# The verbs of data instructions. Runs within the image, under whatever POSIX shell it has.
# An instruction that finds nothing to act on fails, unless its line begins with `optional`.
umask 022
here=/dev/buildsys
optional=

# Where the next verb comes from; the step outside reads it when this shell fails.
at() {
    optional=
    printf '%s\n' "$1" >$here/scratch/spot
}

optional() {
    optional=yes
    "$@"
}

# nothing WORDS: the instruction found nothing to act on.
nothing() {
    [ -z "$optional" ] || return 0
    printf 'error: %s\n' "$*" >&2
    printf '  hint: if that is as it should be, say "optional: true"\n' >&2
    return 1
}

fail() {
    printf 'error: %s\n' "$*" >&2
    return 1
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# each GLOB COMMAND…: run the command with every path the glob names.
each() {
    glob=$1
    shift
    old_ifs=$IFS
    IFS=
    # shellcheck disable=SC2086 # the glob is meant to expand; an empty IFS keeps it from splitting
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
        [ -z "$mode" ] || chmod "$mode" "$path"
        [ -z "$owner" ] || chown "$owner" "$path"
    done
}

# mode MODE [-R] GLOB…
mode() { change chmod '' "$@"; }

# owner OWNER [-R] GLOB…; links themselves are changed, never what they point at
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
            fail "$2: exists already; say 'force: true' to replace it"
            return 1
        fi
    fi
    mkdir -p "$(dirname "$2")"
    ln -s "$1" "$2"
}

# file MODE PATH…: make sure files exist
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
    exists "$1" || { nothing "$1: no such path in the image"; return; }
    mkdir -p "$(dirname "$2")"
    mv "$1" "$2"
}

# place MODE OWNER SOURCE TO: put one file or tree, owned by root unless said, at TO
place() {
    to=$4
    case $to in */) to=$to${3##*/} ;; esac
    mkdir -p "$(dirname "$to")"
    if [ -d "$3" ] && [ ! -L "$3" ]; then
        mkdir -p "$to"
        cp -R -p "$3/." "$to/"
        chown -hR "${2:-0:0}" "$to"
    else
        if [ -L "$to" ] || [ -f "$to" ]; then rm -f "$to"; fi
        cp -P -p "$3" "$to"
        chown -h "${2:-0:0}" "$to"
    fi
    if [ -n "$1" ]; then chmod "$1" "$to"; fi
    # A file placed now is as new as the set, not as the tree it came from.
    [ -L "$to" ] || touch "$to"
}

# context MODE OWNER HASH TO: a file of the plan's context
context() { place "$1" "$2" "$here/plan/context/$3" "$4"; }

# pooled MODE SHA256 TO: a download of the plan's pool
pooled() { place "$1" '' "$here/plan/pool/downloads/$2" "$3"; }

# payload MODE OWNER PACKAGE PATH TO: a file of a package that is not installed
payload() {
    if ! exists "$here/payload/$3$4"; then
        fail "$4: not in the payload of package $3"
        return 1
    fi
    place "$1" "$2" "$here/payload/$3$4" "$5"
}

# other MODE OWNER IMAGE PATH TO: a path of another image of the set
other() {
    if ! exists "$here/image/$3$4"; then
        fail "$4: no such path in image $3"
        return 1
    fi
    place "$1" "$2" "$here/image/$3$4" "$5"
}

# duplicate GLOB TO [preserve]: copy within the image
duplicate() {
    case $2 in
        */) mkdir -p "$2" ;;
        *) mkdir -p "$(dirname "$2")" ;;
    esac
    duplicate_to=$2 duplicate_how=-R
    if [ "${3-}" = preserve ]; then duplicate_how=-Rp; fi
    each "$1" copy_to
}

copy_to() { cp "$duplicate_how" "$@" "$duplicate_to"; }

# Edits ------------------------------------------------------------------------------------------

mark=$(printf '\001')

# comment PATTERN FILE
comment() { edit "$2" "\\$mark$1$mark s/^/#/"; }

# replace PATTERN REPLACEMENT FILE
replace() { edit "$3" "s$mark$1$mark$2${mark}g"; }

# edit FILE SED-SCRIPT: change a file's lines in place; its inode, mode and owner stay
edit() {
    if [ ! -f "$1" ]; then
        nothing "$1: no such file in the image"
        return
    fi
    sed -E "$2" "$1" >$here/scratch/edited
    if cmp -s "$1" $here/scratch/edited; then
        nothing "$1: the edit matches no line"
        return
    fi
    cat $here/scratch/edited >"$1"
}

# append FILE LINE…
append() {
    appended=$1
    shift
    mkdir -p "$(dirname "$appended")"
    if [ -s "$appended" ] && [ -n "$(tail -c 1 "$appended")" ]; then printf '\n' >>"$appended"; fi
    printf '%s\n' "$@" >>"$appended"
}

# append_file SOURCE FILE
append_file() {
    [ -f "$1" ] || { fail "$1: no such file in the image"; return; }
    mkdir -p "$(dirname "$2")"
    cat "$1" >>"$2"
}

# require PATTERN FILE
require() {
    [ -f "$2" ] || { fail "$2: no such file in the image"; return; }
    grep -Eq -e "$1" "$2" || fail "$2: no line matches $1"
}

# Package manager's own files ----------------------------------------------------------------------

# repository FILE ID [KEY VALUE]…
repository() {
    section=$2 target=$1
    shift 2
    mkdir -p "$(dirname "$target")"
    {
        printf '[%s]\n' "$section"
        while [ $# -gt 0 ]; do
            printf '%s=%s\n' "$1" "$2"
            shift 2
        done
    } >>"$target"
}

# disable_repository ID
disable_repository() {
    for candidate in /etc/yum.repos.d/*.repo; do
        if [ -f "$candidate" ] && grep -q "^\[$1\]" "$candidate"; then
            awk -v id="[$1]" '
                /^\[/ { here = ($0 == id); if (here) { print; print "enabled=0"; next } }
                here && /^enabled *=/ { next }
                { print }' "$candidate" >$here/scratch/edited
            cat $here/scratch/edited >"$candidate"
            return 0
        fi
    done
    nothing "repository $1 is not configured in the image"
}

# gems OPEN-FILES FLAGS FILE…: install Ruby gems from files, nothing else
gems() {
    (
        limit=$1 flags=$2
        shift 2
        # Where the host grants less, its most has to do.
        # shellcheck disable=SC3045 # every shell an image may have knows it
        [ "$limit" -eq 0 ] || ulimit -n "$limit" 2>/dev/null || ulimit -n "$(ulimit -Hn)"
        cd $here/plan/pool/gems || exit
        # shellcheck disable=SC2086
        gem install --local $flags "$@"
    )
}

# Accounts ---------------------------------------------------------------------------------------

# account NAME UID GID HOME SHELL [GROUP…]: written as data, so no date gets in and no tool is needed
account() {
    name=$1 entry="$1:x:$2:$3::$4:$5"
    gid=$3
    shift 5
    [ -n "${passwd_text-}" ] || passwd_text=$(cat /etc/passwd 2>/dev/null || :)
    case "
$passwd_text" in
        *"
$name:"*)
            if ! grep -Fqx -e "$entry" /etc/passwd; then
                fail "account $name exists with other values: $(grep "^$name:" /etc/passwd)"
                return 1
            fi ;;
        *)
            printf '%s\n' "$entry" >>/etc/passwd
            printf '%s:!!::0:99999:7:::\n' "$name" >>/etc/shadow ;;
    esac
    if ! grep -q "^$name:" /etc/group 2>/dev/null; then
        printf '%s:x:%s:\n' "$name" "$gid" >>/etc/group
        printf '%s:!::\n' "$name" >>/etc/gshadow
    fi
    for group; do join_group "$name" "$group"; done
    if [ -f /etc/shadow ]; then chmod go-rwx /etc/shadow /etc/gshadow; fi
}

# change_account NAME HOME SHELL [GROUP…]
change_account() {
    name=$1 home=$2 login=$3
    shift 3
    if ! grep -q "^$name:" /etc/passwd; then
        fail "account $name does not exist"
        return 1
    fi
    awk -F: -v OFS=: -v name="$name" -v home="$home" -v login="$login" '
        $1 == name { if (home != "") $6 = home; if (login != "") $7 = login }
        { print }' /etc/passwd >$here/scratch/edited
    cat $here/scratch/edited >/etc/passwd
    for group; do join_group "$name" "$group"; done
}

# join_group NAME GROUP
join_group() {
    if ! grep -q "^$2:" /etc/group; then
        fail "group $2 does not exist"
        return 1
    fi
    for table in /etc/group /etc/gshadow; do
        [ -f $table ] || continue
        awk -F: -v OFS=: -v name="$1" -v group="$2" '
            $1 == group && index("," $4 ",", "," name ",") == 0 { $4 = $4 == "" ? name : $4 "," name }
            { print }' $table >$here/scratch/edited
        cat $here/scratch/edited >$table
    done
}
