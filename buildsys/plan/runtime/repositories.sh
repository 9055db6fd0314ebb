# What a plan does not carry: packages of repositories elsewhere, downloads, keys. NETWORK=1: there are such
# repositories; HOST=1: they are the host's own, and nothing of how it reaches them may be seen anywhere.
#
# Fetching is done with the network, one build at a time, into a cache that all builds share. Installing is done side
# by side and without the network, on each build's own view of that cache.

if [[ $HOST == 1 ]]; then
    # The indices of the host's repositories hold addresses: they stay on the host, outside of the plan.
    CACHE=${BS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/buildsys}/host
else
    CACHE=${BS_CACHE:-$STATE/cache}/$INSTALLER
    # Between plans: yum tells repositories apart by their ids, which say nothing of where they are.
    [[ -z ${BS_CACHE-} || ! -e $PLAN/repositories ]] || CACHE+=-$(sha256sum <"$PLAN/repositories" | cut -c-12)
fi

# shellcheck source=/dev/null
. "$LIB/logins.sh"

# fetch URL FILE: by curl; a file is there whole or not at all.
fetch() {
    curl --config <(login_for_curl "$1") --fail --location --silent --show-error --connect-timeout 20 --speed-limit 1 \
        --speed-time 60 --output "$2.part" "$1" && sync -- "$2.part" && mv -f "$2.part" "$2"
}

# with_logins PREFIX: a configuration of repositories, with the names of variables for the credentials of each. The installer
# fills them in itself: no file holds them. PREFIX0 is the first user, PREFIX1 the first password.
with_logins() {
    local number=0 line
    while IFS= read -r line; do
        printf '%s\n' "$line"
        if [[ $line == baseurl=*://* ]] && login "${line#*=}"; then
            printf 'username=$%s%d\npassword=$%s%d\n' "$1" "$number" "$1" "$((number + 1))"
            number=$((number + 2))
        fi
    done
}

# logins PREFIX: sets LOGINS, the values of these variables as `NAME=VALUE`.
logins() {
    local number=0 where
    LOGINS=()
    [[ -e $PLAN/repositories ]] || return 0
    while read -r _ where _; do
        if [[ $where == *://* ]] && login "$where"; then
            LOGINS+=("$1$number=$LOGIN_USER" "$1$((number + 1))=$LOGIN_PASSWORD")
            number=$((number + 2))
        fi
    done <"$PLAN/repositories"
}
LOGINS=()

# cache_locked: sets lock, the descriptor that keeps the cache to this build until it is closed.
cache_locked() {
    mkdir -p "$CACHE"
    chmod 700 "$CACHE"
    exec {lock}>>"$CACHE.lock"
    flock "$lock"
}

# fill_cache COMMAND…: with the network, and with the cache to itself. Each run asks the repositories anew, once.
fill_cache() {
    local status=0 lock looked=$CACHE.looked
    cache_locked
    if [[ -z ${BS_LISTING-} || ! $looked -nt $BS_LISTING ]]; then
        "${INSTALLER}_call" "cache=$CACHE" clean expire-cache && : >"$looked"
    fi
    ONLINE=1 "$@" || status=$?
    if ((status == 0)); then
        rm -rf "$SCRATCH/cache"
        cp -al "$CACHE" "$SCRATCH/cache" 2>/dev/null || { rm -rf "$SCRATCH/cache" && cp -a "$CACHE" "$SCRATCH/cache"; }
        # What an installer notes beside its repositories it writes in place; links of these would be shared.
        find "$SCRATCH/cache" -maxdepth 1 -type f -delete
    fi
    exec {lock}>&-
    return "$status"
}

# from_repositories WORDS…: an installer's words, done in two stages; only the first has the network, and may be repeated.
from_repositories() {
    local unchecked=()
    repository_keys || return
    # Signatures are looked at by the second stage, which has no network.
    [[ $INSTALLER != dnf ]] || unchecked=(--nogpgcheck)
    retry fill_cache "${INSTALLER}_call" "cache=$CACHE" --downloadonly "${unchecked[@]}" "$@" || return
    "${INSTALLER}_call" "cache=$SCRATCH/cache" --cacheonly "$@"
}

# repository_keys: make sure of the keys that are addresses: state/keys/ID.
repository_keys() {
    local id key lock
    [[ $HOST != 1 ]] || return 0
    while read -r id _ key; do
        [[ $key == *://* ]] || continue
        mkdir -p "$STATE/keys"
        exec {lock}>>"$STATE/keys.lock"
        flock "$lock"
        [[ -s $STATE/keys/$id ]] || retry fetch "$key" "$STATE/keys/$id" || {
            printf 'error: %s: the key of the repository %s cannot be fetched: %s\n' "$SPOT" "$id" "$key"
            return 1
        }
        exec {lock}>&-
    done <"$PLAN/repositories"
}

# fetched URL NAME [SHA256]: a download that is not carried, fetched once a plan: state/downloads/NAME.
fetched() {
    local file=$STATE/downloads/$2 sum lock
    mkdir -p "$STATE/downloads"
    exec {lock}>>"$STATE/downloads.lock"
    flock "$lock"
    if [[ ! -s $file || -n ${3-} && $(sha256sum <"$file") != "$3 "* ]]; then
        retry fetch "$1" "$file.new" || {
            printf 'error: %s: %s cannot be fetched\n' "$SPOT" "$1"
            return 1
        }
        sum=$(sha256sum <"$file.new" | cut -d' ' -f1)
        printf 'fetched %s, sha256 %s\n' "$1" "$sum"
        if [[ -n ${3-} && $sum != "$3" ]]; then
            rm -f "$file.new"
            printf 'error: %s: %s is not what the site says it is: its sha256 is %s, not %s\n' "$SPOT" "$1" "$sum" "$3"
            return 1
        fi
        mv -f "$file.new" "$file"
    fi
    exec {lock}>&-
}

# payload_file PACKAGE: prints the path of a package's file out of the cache; found once a run.
payload_file() {
    local known=$STATE/payload/$1.file file files offered='' lock
    mkdir -p "$STATE/payload"
    exec {lock}>>"$STATE/payload.found.lock"
    flock "$lock"
    if [[ -n ${BS_LISTING-} && $known -nt $BS_LISTING && -e $(<"$known") ]]; then
        cat "$known"
        return
    fi
    repository_keys >&2 || return
    retry fill_cache "${INSTALLER}_call" "cache=$CACHE" install --downloadonly -- "$1" >&2 || return
    # The cache keeps builds that were withdrawn. yum has no words for what is offered that a line would hold.
    [[ $INSTALLER != dnf ]] || offered=$(dnf_offered "$1") || {
        printf '%s\n' "$offered" >&2
        return 1
    }
    mapfile -t files < <(find "$CACHE" -name "$1-[0-9]*.rpm" | sort -r)
    file=$(rpm_newest "$1" "$offered" "${files[@]}") || return
    if [[ -z $file ]]; then
        packages_missing "$1" >&2
        return 1
    fi
    printf '%s' "$file" | tee "$known"
}
