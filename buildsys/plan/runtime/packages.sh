# Shared by all package managers: retries after infrastructure failures, and messages about other failures.

# retry COMMAND…: run a command, and again after a failure of the network, but not after a failure of the recipe.
retry() {
    local attempt wait=${BS_PAUSE:-2} log=$PLAN/logs/$IMAGE.log
    for attempt in 1 2 3 4; do
        mark_log "$log"
        if "$@"; then
            mark_log "$log"
            return
        fi
        if ((attempt == 4)) || ! is_infrastructure_failure "$log"; then return 1; fi
        printf '%s: attempt %d failed, trying again in %d s\n' "$IMAGE" "$attempt" "$wait"
        sleep "$wait"
        wait=$((wait * 3))
    done
}

# explain_package_errors OUTPUT: print, for each failure in an installer's output, the package and the line of the recipe that requests it.
# Fails if there is one, because installers only warn of some.
explain_package_errors() {
    local kind word found=0 cause
    cause=$(find_server_error "$1")
    while read -r kind word; do
        found=1
        "report_$kind" "$word"
    done < <(awk '
        function report(kind, word) { if (!reported[kind, word]++) print kind, word }
        function unsigned(word) { sub(/\.rpm$/, "", word); report("unsigned", word) }
        /(No match for argument|Unable to find a match): / {
            sub(/.*(argument|match): */, "")
            count = split($0, words, " ")
            for (i = 1; i <= count; i++) report("missing", words[i])
        }
        /^No package [^ ]+ available/ { report("missing", $3) }
        /Failing package is: / { sub(/.*Failing package is: /, ""); unsigned($1) }
        /^Public key for [^ ]+ is not installed/ { unsigned($4) }
        /^Package [^ ]+ is not signed/ { unsigned($2) }
        /OpenPGP check for package "/ { split($0, words, "\""); unsigned(words[2]) }
        # Forms of rpm (also for scriptlets in Lua), of dnf with --quiet, and of yum.
        /script(let)? failed/ && match($0, /%[a-z]+\([^ ,)]+\)/) {
            word = substr($0, RSTART, RLENGTH)
            gsub(/^[^(]*\(|\)$/, "", word)
            report("scriptlet", word)
            named = 1
        }
        /script(let)? fail|Error in [A-Z]+ scriptlet/ { fallen = 1 }
        /Error in [A-Z]+ scriptlet in rpm package / { fallen = $NF }
        /Failed to download metadata for repo / { split($0, words, "\047"); report("unreachable", words[2]) }
        /Failed to download metadata .*for repository "/ { sub(/.*for repository "/, ""); sub(/".*/, ""); report("unreachable", $0) }
        /^failure: repodata.* from [^ ]+: / { sub(/.* from /, ""); sub(/:.*/, ""); report("unreachable", $0) }
        /^ +[^ ]+: (Cannot download, a|A)ll mirrors were already tried/ || /^ +[^ ]+: \[Errno 256\]/ {
            sub(/:$/, "", $1); report("unfetched", $1)
        }
        END { if (fallen && !named) report("scriptlet", fallen == 1 ? "" : fallen) }' "$1")
    return "$found"
}

# find_server_error OUTPUT: print the last error of a server in an installer's output.
find_server_error() {
    sed -nE -e 's/^.*((Status code: [0-9]+|[Cc]url error \([0-9]+\)).*)$/\1/p' \
        -e 's/^([a-z]+:[^ ]+: )\[Errno [0-9]+\] (.*)$/\1\2/p' "$1" | sed -E 's/ \(IP: [^ )]*\)//' | tail -n 1
}

# set_package_spot WORD: set SPOT to the line of the recipe that requests a package, a NAME-VERSION-RELEASE or a file.
set_package_spot() {
    local word spot
    for word in "$1" "${1%-*-*}"; do
        spot=$(find_place "$word" '(-[^ -]+-[^ -]+)?')
        [[ -n $spot ]] || continue
        SPOT=$spot
        return
    done
}

# find_place WORD MORE: print the Spot of the first word of the step that is WORD, followed by a match of the pattern MORE.
find_place() {
    WORD=$1 MORE=$2 awk '
        BEGIN { word = ENVIRON["WORD"]; more = "^" ENVIRON["MORE"] "\047? +# " }
        sub(/^ +\047?/, "") && index($0, word) == 1 {
            $0 = substr($0, length(word) + 1)
            if (sub(more, "") && /:[0-9]+:[0-9]+$/) { print; exit }
        }' "$PLAN/steps/$IMAGE.sh"
}

report_missing() {
    set_package_spot "$1"
    printf 'error: %s: no repository of the site %s has a package %s\n' "$SPOT" "$SITE" "$1"
}

report_unsigned() {
    set_package_spot "$1"
    printf 'error: %s: no key of the site %s signs %s; it is not installed\n' "$SPOT" "$SITE" "$1"
}

report_unfetched() {
    set_package_spot "$1"
    printf 'error: %s: %s cannot be fetched%s\n' "$SPOT" "$1" "${cause:+: $cause}"
}

report_scriptlet() {
    set_package_spot "$1"
    printf 'error: %s: a scriptlet %sfailed; see above\n' "$SPOT" "${1:+of $1 }"
}

report_unreachable() {
    local where
    printf 'error: %s: the repository %s cannot be read%s\n' "$SPOT" "$1" "${cause:+: $cause}"
    if [[ $HOST == 1 ]]; then
        printf '  hint: it is a repository of this host; try: dnf makecache --repo %s\n' "$1"
    else
        where=$(awk -v id="$1" '$1 == id { print $2 }' "$PLAN/repositories")
        printf '  hint: is %s in reach from here?\n' "$where"
    fi
}

PAYLOAD=''

# find_unverified FOLDER FILE…: set UNVERIFIED, the pool files without a mark in the folder, and MARKS, the paths of their marks. Writes
# SCRATCH/sums, the checksums of the lock.
find_unverified() {
    local folder=$1 kind file sum
    shift
    UNVERIFIED=() MARKS=()
    while read -r kind _ _ _ file sum; do
        sum=${sum#sha256:}
        [[ $kind == package && " $* " == *" $file "* && ! -e $folder/$sum ]] || continue
        UNVERIFIED+=("$file")
        MARKS+=("$folder/$sum")
        printf '%s  %s\n' "$sum" "$PLAN/pool/packages/$file" || return
    done <<<"${PAYLOAD:-$(<"$PLAN/keys/$IMAGE")}" >"$SCRATCH/sums"
}

# verify_checksums: check the files that find_unverified found. `touch` makes buildsys check a wrong file, whose link is in its pool, and
# fetch it again.
verify_checksums() {
    local line file whole=0 wrong=0
    # Count the correct files: a sha256sum that ends early reports no wrong file.
    while IFS= read -r line; do
        case $line in
            *': OK') whole=$((whole + 1)) ;;
            *': FAILED'*)
                file=${line%: FAILED*}
                wrong=$((wrong + 1))
                touch -c -- "$file" 2>/dev/null || :
                set_package_spot "${file##*/}"
                printf 'error: a package of the pool differs from the lock: %s\n' "${file##*/}"
                ;;
        esac
    done < <(sha256sum --check --strict "$SCRATCH/sums" 2>/dev/null)
    ((whole < ${#MARKS[@]})) || return 0
    if ((wrong)); then
        printf '  hint: "buildsys build %s" fetches it again; if the plan was copied here, copy it again\n' "$SET"
    else
        printf 'error: %s: packages of the pool cannot be read completely\n' "$SPOT"
    fi
    return 1
}

# report_absent PACKAGE: report that a package to be removed is not installed.
report_absent() {
    printf 'error: %s: package %s is not installed\n' "$SPOT" "$1"
    printf '  hint: if this is intended, set "optional: true"\n'
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
