# What all package managers share: retries of what may pass by itself, and words for what will not.

# retry COMMAND…: again, later, when the failure was the network's; never when it was the recipe's.
retry() {
    local attempt wait=${BS_PAUSE:-2} log=$PLAN/logs/$IMAGE.log
    for attempt in 1 2 3 4; do
        log_mark "$log"
        if "$@"; then
            log_mark "$log"
            return
        fi
        if ((attempt == 4)) || ! infrastructure "$log"; then return 1; fi
        printf '%s: attempt %d failed, trying again in %d s\n' "$IMAGE" "$attempt" "$wait"
        sleep "$wait"
        wait=$((wait * 3))
    done
}

# packages_explain OUTPUT: say of each failure that an installer tells which package it is and which line of the
# recipe asks for it. Fails when there is one: of some the installers themselves only warn.
packages_explain() {
    local kind word found=0 cause
    cause=$(packages_cause "$1")
    while read -r kind word; do
        found=1
        "packages_$kind" "$word"
    done < <(awk '
        function say(kind, word) { if (!said[kind, word]++) print kind, word }
        function unsigned(word) { sub(/\.rpm$/, "", word); say("unsigned", word) }
        /(No match for argument|Unable to find a match): / {
            sub(/.*(argument|match): */, "")
            count = split($0, words, " ")
            for (i = 1; i <= count; i++) say("missing", words[i])
        }
        /^No package [^ ]+ available/ { say("missing", $3) }
        /Failing package is: / { sub(/.*Failing package is: /, ""); unsigned($1) }
        /^Public key for [^ ]+ is not installed/ { unsigned($4) }
        /^Package [^ ]+ is not signed/ { unsigned($2) }
        /OpenPGP check for package "/ { split($0, words, "\""); unsigned(words[2]) }
        # rpm, also of scriptlets in Lua; dnf when it is quiet, which then is all there is; yum.
        /script(let)? failed/ && match($0, /%[a-z]+\([^ ,)]+\)/) {
            word = substr($0, RSTART, RLENGTH)
            gsub(/^[^(]*\(|\)$/, "", word)
            say("scriptlet", word)
            named = 1
        }
        /script(let)? fail|Error in [A-Z]+ scriptlet/ { fallen = 1 }
        /Error in [A-Z]+ scriptlet in rpm package / { fallen = $NF }
        /Failed to download metadata for repo / { split($0, words, "\047"); say("unreachable", words[2]) }
        /Failed to download metadata .*for repository "/ { sub(/.*for repository "/, ""); sub(/".*/, ""); say("unreachable", $0) }
        /^failure: repodata.* from [^ ]+: / { sub(/.* from /, ""); sub(/:.*/, ""); say("unreachable", $0) }
        /^ +[^ ]+: (Cannot download, a|A)ll mirrors were already tried/ || /^ +[^ ]+: \[Errno 256\]/ {
            sub(/:$/, "", $1); say("unfetched", $1)
        }
        END { if (fallen && !named) say("scriptlet", fallen == 1 ? "" : fallen) }' "$1")
    return "$found"
}

# packages_cause OUTPUT: the last thing that an installer says of a server that did not give what it was asked for.
packages_cause() {
    sed -nE -e 's/^.*((Status code: [0-9]+|[Cc]url error \([0-9]+\)).*)$/\1/p' \
        -e 's/^([a-z]+:[^ ]+: )\[Errno [0-9]+\] (.*)$/\1\2/p' "$1" | sed -E 's/ \(IP: [^ )]*\)//' | tail -n 1
}

# asked_for WORD: sets SPOT to the line of the recipe that asks for a package, a NAME-VERSION-RELEASE or a file.
asked_for() {
    local word spot
    for word in "$1" "${1%-*-*}"; do
        spot=$(place_of "$word" '(-[^ -]+-[^ -]+)?')
        [[ -n $spot ]] || continue
        SPOT=$spot
        return
    done
}

# place_of WORD MORE: where the first word of the step was written that is this one, with what the pattern MORE says behind it.
place_of() {
    WORD=$1 MORE=$2 awk '
        BEGIN { word = ENVIRON["WORD"]; more = "^" ENVIRON["MORE"] "\047? +# " }
        sub(/^ +\047?/, "") && index($0, word) == 1 {
            $0 = substr($0, length(word) + 1)
            if (sub(more, "") && /:[0-9]+:[0-9]+$/) { print; exit }
        }' "$PLAN/steps/$IMAGE.sh"
}

packages_missing() {
    asked_for "$1"
    printf 'error: %s: no repository of the site %s has a package %s\n' "$SPOT" "$SITE" "$1"
}

packages_unsigned() {
    asked_for "$1"
    printf 'error: %s: no key of the site %s signs %s; it is refused\n' "$SPOT" "$SITE" "$1"
}

packages_unfetched() {
    asked_for "$1"
    printf 'error: %s: %s cannot be fetched%s\n' "$SPOT" "$1" "${cause:+: $cause}"
}

packages_scriptlet() {
    asked_for "$1"
    printf 'error: %s: a scriptlet %sfailed; see above\n' "$SPOT" "${1:+of $1 }"
}

packages_unreachable() {
    local where
    printf 'error: %s: the repository %s cannot be read%s\n' "$SPOT" "$1" "${cause:+: $cause}"
    if [[ $HOST == 1 ]]; then
        printf '  hint: it is one of this host: dnf makecache --repo %s\n' "$1"
    else
        where=$(awk -v id="$1" '$1 == id { print $2 }' "$PLAN/repositories")
        printf '  hint: is %s in reach from here?\n' "$where"
    fi
}

PAYLOAD=''

# packages_unseen FOLDER FILE…: which of these files of the pool have no mark in the folder yet? Sets UNSEEN, and MARKS,
# those they get; SCRATCH/sums is what the lock says of them.
packages_unseen() {
    local folder=$1 kind file sum
    shift
    UNSEEN=() MARKS=()
    while read -r kind _ _ _ file sum; do
        sum=${sum#sha256:}
        [[ $kind == package && " $* " == *" $file "* && ! -e $folder/$sum ]] || continue
        UNSEEN+=("$file")
        MARKS+=("$folder/$sum")
        printf '%s  %s\n' "$sum" "$PLAN/pool/packages/$file" || return
    done <<<"${PAYLOAD:-$(<"$PLAN/keys/$IMAGE")}" >"$SCRATCH/sums"
}

# packages_whole: are the files that packages_unseen found what the lock says? One that is not loses the time that says it
# was read, and so does its link in the pool of buildsys, which then reads it again, and fetches it.
packages_whole() {
    local line file whole=0 wrong=0
    # What counts is who was found whole: a sha256sum that ends early finds nobody wrong.
    while IFS= read -r line; do
        case $line in
            *': OK') whole=$((whole + 1)) ;;
            *': FAILED'*)
                file=${line%: FAILED*}
                wrong=$((wrong + 1))
                touch -c -- "$file" 2>/dev/null || :
                asked_for "${file##*/}"
                printf 'error: a package of the pool is not the one the lock names: %s\n' "${file##*/}"
                ;;
        esac
    done < <(sha256sum --check --strict "$SCRATCH/sums" 2>/dev/null)
    ((whole < ${#MARKS[@]})) || return 0
    if ((wrong)); then
        printf '  hint: "buildsys build %s" fetches it again; a plan that came here as a copy is to be copied again\n' "$SET"
    else
        printf 'error: %s: packages of the pool could not be read to the end\n' "$SPOT"
    fi
    return 1
}

# packages_absent PACKAGE: what to say when one to be removed is not there.
packages_absent() {
    printf 'error: %s: package %s is not installed\n' "$SPOT" "$1"
    printf '  hint: if that is as it should be, say "optional: true"\n'
}

case $INSTALLER in
    rpm | dnf | yum)
        # shellcheck source=/dev/null
        . "$LIB/rpm.sh"
        # shellcheck source=/dev/null
        . "$LIB/repositories.sh"
        # shellcheck source=/dev/null
        [[ $INSTALLER == rpm ]] || . "$LIB/$INSTALLER.sh"
        ;;
    apt)
        # shellcheck source=/dev/null
        . "$LIB/apt.sh"
        # shellcheck source=/dev/null
        . "$LIB/repositories.sh"
        ;;
esac
