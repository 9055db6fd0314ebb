# Files that a plan does not carry: packages of external repositories, downloads, keys. NETWORK=1: there are such repositories; HOST=1:
# they are the host's repositories, and their addresses and credentials must stay on the host.
#
# Builds fetch with the network, one at a time, into a shared cache. They install in parallel and without network, each from its own view
# of that cache.

if [[ $HOST == 1 ]]; then
    # The indices of the host's repositories contain addresses: keep them outside the plan.
    CACHE=${BS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/buildsys}/host
else
    CACHE=${BS_CACHE:-$STATE/cache}/$INSTALLER
    # Plans share BS_CACHE, and yum identifies repositories by their ids only, so plans with other repositories get another folder.
    [[ -z ${BS_CACHE-} || ! -e $PLAN/repositories ]] || CACHE+=-$(sha256sum <"$PLAN/repositories" | cut -c-12)
fi

# shellcheck source=/dev/null
. "$LIB/logins.sh"

# fetch URL FILE: fetch a file with curl; it is written by rename.
fetch() {
    curl --config <(print_curl_login "$1") --fail --location --silent --show-error --connect-timeout 20 --speed-limit 1 \
        --speed-time 60 --output "$2.part" "$1" && sync -- "$2.part" && mv -f "$2.part" "$2"
}

# add_logins PREFIX: filter a configuration of repositories: add the names of variables for the credentials of each, which the installer
# expands, so that no file contains credentials. PREFIX0 is the first user, PREFIX1 the first password.
add_logins() {
    local number=0 line
    while IFS= read -r line; do
        printf '%s\n' "$line"
        if [[ $line == baseurl=*://* ]] && find_login "${line#*=}"; then
            printf 'username=$%s%d\npassword=$%s%d\n' "$1" "$number" "$1" "$((number + 1))"
            number=$((number + 2))
        fi
    done
}

# set_logins PREFIX: set LOGINS, the values of these variables as `NAME=VALUE`.
set_logins() {
    local number=0 where
    LOGINS=()
    [[ -e $PLAN/repositories ]] || return 0
    while read -r _ where _; do
        if [[ $where == *://* ]] && find_login "$where"; then
            LOGINS+=("$1$number=$LOGIN_USER" "$1$((number + 1))=$LOGIN_PASSWORD")
            number=$((number + 2))
        fi
    done <"$PLAN/repositories"
}
LOGINS=()

# lock_cache: set lock, a descriptor; the cache is locked until it is closed.
lock_cache() {
    mkdir -p "$CACHE"
    chmod 700 "$CACHE"
    exec {lock}>>"$CACHE.lock"
    flock "$lock"
}

# fill_cache COMMAND…: run a command with the network while the cache is locked, and make this build's view of the cache. Each run
# refreshes the metadata once.
fill_cache() {
    local status=0 lock looked=$CACHE.looked
    lock_cache
    if [[ -z ${BS_LISTING-} || ! $looked -nt $BS_LISTING ]]; then
        "${INSTALLER}_call" "cache=$CACHE" clean expire-cache && : >"$looked"
    fi
    ONLINE=1 "$@" || status=$?
    if ((status == 0)); then
        rm -rf "$SCRATCH/cache"
        cp -al "$CACHE" "$SCRATCH/cache" 2>/dev/null || { rm -rf "$SCRATCH/cache" && cp -a "$CACHE" "$SCRATCH/cache"; }
        # Installers change files next to the repositories in place; hard links of these would be shared.
        find "$SCRATCH/cache" -maxdepth 1 -type f -delete
    fi
    exec {lock}>&-
    return "$status"
}

# from_repositories WORDS…: run an installer in two stages: download with the network, with retries; then install without.
from_repositories() {
    local unchecked=()
    fetch_repository_keys || return
    # The second stage checks signatures.
    [[ $INSTALLER != dnf ]] || unchecked=(--nogpgcheck)
    retry fill_cache "${INSTALLER}_call" "cache=$CACHE" --downloadonly "${unchecked[@]}" "$@" || return
    "${INSTALLER}_call" "cache=$SCRATCH/cache" --cacheonly "$@"
}

# fetch_repository_keys: fetch missing keys with a URL to state/keys/ID.
fetch_repository_keys() {
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

# fetched URL NAME [SHA256]: fetch a download, once a plan, to state/downloads/NAME.
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
            printf 'error: %s: the checksum of %s is wrong: its sha256 is %s, not %s\n' "$SPOT" "$1" "$sum" "$3"
            return 1
        fi
        mv -f "$file.new" "$file"
    fi
    exec {lock}>&-
}

# find_payload_file PACKAGE: print the path of a package's file in the cache; it is searched once a run.
find_payload_file() {
    local known=$STATE/payload/$1.file file files offered='' lock
    mkdir -p "$STATE/payload"
    exec {lock}>>"$STATE/payload.found.lock"
    flock "$lock"
    if [[ -n ${BS_LISTING-} && $known -nt $BS_LISTING && -e $(<"$known") ]]; then
        cat "$known"
        return
    fi
    fetch_repository_keys >&2 || return
    retry fill_cache "${INSTALLER}_call" "cache=$CACHE" install --downloadonly -- "$1" >&2 || return
    # The cache may contain builds that the repositories no longer offer. Only dnf can list the offered builds.
    [[ $INSTALLER != dnf ]] || offered=$(dnf_list_builds "$1") || {
        printf '%s\n' "$offered" >&2
        return 1
    }
    mapfile -t files < <(find "$CACHE" -name "$1-[0-9]*.rpm" | sort -r)
    file=$(rpm_find_newest "$1" "$offered" "${files[@]}") || return
    if [[ -z $file ]]; then
        report_missing "$1" >&2
        return 1
    fi
    printf '%s' "$file" | tee "$known"
}
