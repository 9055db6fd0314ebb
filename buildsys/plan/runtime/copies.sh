# The verbs of data instructions that copy files from outside the image: the plan, other images, packages. lib/inside.sh sources this.
# shellcheck shell=sh disable=SC2154

# lent PROGRAM ARGUMENT…: run a program of the host that is mounted for copying
lent() {
    program=$1
    shift
    "$here/kit/loader" --inhibit-cache --library-path "$here/kit/lib" "$here/kit/bin/$program" "$@"
}

# target SOURCE TO: set to, and create its directory; a TO with a final slash is a directory to copy into
target() {
    to=$2
    case $to in */) to=$to${1##*/} ;; esac
    mkdir -p "$(dirname "$to")"
    if [ -d "$to" ] && [ ! -L "$to" ] && { [ ! -d "$1" ] || [ -L "$1" ]; }; then
        fail "$to: is a directory; end the path with '/' to copy into it"
    fi
}

# place MODE OWNER SOURCE TO: copy a file of the plan to TO; the default owner is root. Owner and attributes of the plan's own file are
# ignored, because they depend on the host.
place() {
    target "$3" "$4"
    rm -f "$to"
    cp -P "$3" "$to"
    chown -h 0:0 "$to"
    [ -z "$2" ] || chown -h "$2" "$to"
    # After chown, which removes setuid bits.
    chmod "$1" "$to"
}

# transfer MODE OWNER SOURCE TO: copy a file or a tree of another image or package to TO, with its attributes, symbolic links and hard
# links; the default owner is root
transfer() {
    target "$3" "$4"
    owner_options "$2"
    if [ -d "$3" ] && [ ! -L "$3" ]; then
        transfer_tree "$3" "$to"
    else
        rm -f "$to"
        transfer_file "$3" "$to"
        [ ! -L "$to" ] || return 0
        # The commit sets the time of new files to the epoch; without this, it would be that of the source.
        touch "$to"
    fi
    [ -z "$1" ] || chmod "$1" "$to"
}

# transfer_tree SOURCE TO: existing directories in TO keep their owner and mode
transfer_tree() {
    kept=--no-overwrite-dir
    if [ ! -d "$2" ]; then
        mkdir "$2"
        kept=--overwrite-dir
    fi
    pack -C "$1" . | unpack --keep-directory-symlink $kept -C "$2"
    packed
}

transfer_file() {
    escape "${2##*/}"
    pack -C "$(dirname "$1")" --transform "s$mark.*$mark$escaped${mark}SH" -- "${1##*/}" | unpack -C "$(dirname "$2")"
    packed
}

# escape NAME: set escaped: the name as the replacement text of a substitution. An image may have no sed.
escape() {
    escaped='' rest=$1
    while :; do
        case $rest in
            *[\\\&]*)
                plain=${rest%%[\\\&]*}
                rest=${rest#"$plain"}
                escaped=$escaped$plain\\${rest%"${rest#?}"}
                rest=${rest#?} ;;
            *)
                escaped=$escaped$rest
                return 0 ;;
        esac
    done
}

# tar keeps what a layer can hold: owner ids, capabilities and user attributes. Other attributes belong to the host, or are lost when the
# layer is packed.
pack() {
    # shellcheck disable=SC2086 # words
    lent tar --create --no-unquote --format=posix --sparse --numeric-owner $owner_options \
        --xattrs --xattrs-include=security.capability --xattrs-include='user.*' "$@" || : >"$here/scratch/not-packed"
}

unpack() {
    lent tar --extract --preserve-permissions --same-owner --numeric-owner \
        --xattrs --xattrs-include=security.capability --xattrs-include='user.*' "$@"
}

# packed: fail if `pack` failed; the status of a pipe in this shell is that of its last command
packed() {
    [ ! -e "$here/scratch/not-packed" ] || fail "$source: cannot be read completely"
}

# owner_options OWNER: set owner_options for tar; without a group the group is kept, as by chown
owner_options() {
    owner_options=
    case $1 in
        '') owner_options='--owner=x:0 --group=x:0' ;;
        :*) ;;
        *)
            number "${1%%:*}" passwd
            owner_options=--owner=x:$number
            # `USER:` means the user's own group, too.
            if [ "${1#*:}" = '' ]; then
                [ -n "$line" ] || fail "$1: the image has no user with this id, so its group is not known"
                line=${line#*:*:*:}
                owner_options="$owner_options --group=x:${line%%:*}"
            fi ;;
    esac
    case $1 in
        *:?*)
            number "${1#*:}" group
            owner_options="$owner_options --group=x:$number" ;;
    esac
}

# number NAME DATABASE: set number, the id of an account or a group in the image; and line, its entry
number() {
    look_up "$1" "/etc/$2"
    [ -n "$line" ] || ! command -v getent >/dev/null || line=$(getent "$2" "$1") || line=
    case $line in
        '') number=$1 ;;
        *)
            number=${line#*:*:}
            number=${number%%:*} ;;
    esac
    case $number in
        '' | *[!0-9]*) fail "the image has no $2 entry of $1" ;;
    esac
}

# context MODE OWNER HASH TO: copy a file of the plan's context
context() { place "$1" "$2" "$here/plan/context/$3" "$4"; }

# attributes TO NAME VALUE…: set extended attributes of a file of the context; values are hexadecimal
attributes() {
    attributed=$1
    shift
    while [ $# -gt 0 ]; do
        lent setfattr -h -n "$1" -v "$2" -- "$attributed"
        shift 2
    done
}

# same FILE LINK: create a hard link
same() {
    mkdir -p "$(dirname "$2")"
    rm -f "$2"
    ln "$1" "$2"
}

# folders OWNER TO…: create folders of the context; an existing folder keeps its owner and mode
folders() {
    owned=$1
    shift
    for folder; do
        if [ -d "$folder" ]; then continue; fi
        mkdir -p "$folder"
        [ -z "$owned" ] || chown "$owned" "$folder"
    done
}

# pooled MODE SHA256 TO: copy a download of the plan's pool
pooled() { place "$1" '' "$here/plan/pool/downloads/$2" "$3"; }

# download MODE NAME TO: copy a download that a step fetched
download() { place "$1" '' "$here/plan/state/downloads/$2" "$3"; }

# payload MODE OWNER PACKAGE PATH TO: copy a file of a package that is not installed
payload() {
    source=$(beneath "$here/payload/$3" "$4")
    exists "$source" || fail "$4: not in the payload of package $3"
    transfer "$1" "$2" "$source" "$5"
}

# other MODE OWNER IMAGE PATH TO: copy a path of another image of the set
other() {
    source=$(beneath "$here/image/$3" "$4")
    exists "$source" || fail "$4: no such path in image $3"
    transfer "$1" "$2" "$source" "$5"
}

# beneath ROOT PATH: print the location of PATH in the image at ROOT; links on the way are resolved within ROOT
beneath() {
    place='' rest=$2 hops=0
    while [ -n "$rest" ]; do
        part=${rest%%/*}
        case $rest in */*) rest=${rest#*/} ;; *) rest='' ;; esac
        case $part in
            '' | .) continue ;;
            ..) place=${place%/*} && continue ;;
        esac
        if [ -n "$rest" ] && [ -L "$1$place/$part" ] && [ $((hops += 1)) -le 40 ]; then
            part=$(readlink "$1$place/$part")
            case $part in /*) place='' ;; esac
            rest=$part/$rest
        else
            place=$place/$part
        fi
    done
    printf '%s' "$1$place"
}
