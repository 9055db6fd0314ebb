# Accounts, written directly, so that no date gets in and no tool is needed. POSIX shell, for plans and for exported Containerfiles.
# The file that sources this one defines `fail`.
# shellcheck shell=sh

newline='
'

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

# change_account NAME HOME SHELL [GROUP…]
change_account() {
    name=$1 home=$2 login=$3
    shift 3
    look_up "$name" /etc/passwd
    [ -n "$line" ] || fail "account $name does not exist"
    rest=${line%:*}
    enter "${rest%:*}:${home:-${rest##*:}}:${login:-${line##*:}}" /etc/passwd
    for group; do join_group "$name" "$group"; done
}

# join_group NAME GROUP
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

# look_up NAME FILE: set line, the entry of that name or nothing, and table, all lines, each between newlines
look_up() {
    table=$newline line=
    [ ! -s "$2" ] || table=$newline$(cat "$2")$newline
    case $table in
        *"$newline$1:"*)
            line=$1:${table#*"$newline$1:"}
            line=${line%%"$newline"*} ;;
    esac
}

# enter ENTRY FILE: after look_up, replace that line by this entry, or append the entry
enter() {
    if [ -n "$line" ]; then
        table=${table%%"$newline$line$newline"*}$newline$1$newline${table#*"$newline$line$newline"}
    else
        table=$table$1$newline
    fi
    [ -d /etc ] || mkdir /etc
    case $2 in
        *shadow) [ -e "$2" ] || (umask 077 && : >"$2") ;;
    esac
    printf '%s' "${table#"$newline"}" >"$2"
}
