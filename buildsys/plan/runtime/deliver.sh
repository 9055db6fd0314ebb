# The beginning of an attempt on another machine: `bash -s` there reads this text, then the request that follows it on stdin. So a worker
# needs nothing but the tools of the plan. It brings the plan from the work registry, once, and hands the request to lib/attempt.sh there.
#
# The request: lines NAME=VALUE, an empty line, and in base64 a tar archive of the client's records for this step.

deliver() {
    local line name place plan turn part CLIENT=0
    while IFS= read -r line && [[ -n $line ]]; do
        name=${line%%=*}
        case $name in
            BS_REGISTRY | BS_COMPRESSION | BS_FORCE | BS_ALL | BS_FORMAT | BS_EPOCH | BS_ATTEMPT | BS_CLIENT | PLAN_DIGEST | CLIENT | SET | IMAGE)
                printf -v "$name" %s "${line#*=}"
                export "${name?}"
                ;;
        esac
    done
    umask 022
    for name in skopeo tar gzip flock base64 setpriv unshare; do
        command -v "$name" >/dev/null || refuse_work "it has no $name"
    done
    place=${BS_WORKER_DIR:-/var/tmp/buildsys-worker-$(id -u)}
    (umask 077 && mkdir -p "$place") 2>/dev/null || :
    [[ -d $place && -O $place && ! -L $place ]] || refuse_work "$place is not a folder of its user; BS_WORKER_DIR names another"
    # Two clients may have built different parents from one plan: each has its own copy here.
    plan=$place/plans/$SET-$CLIENT-${PLAN_DIGEST#sha256:}
    mkdir -p "$place/plans" "$place/blobs"
    exec {turn}>>"$plan.lock"
    flock "$turn"
    if [[ ! -e $plan/state/whole ]]; then
        part=$plan.part
        rm -rf "$part"
        mkdir "$part"
        bring_plan "$part" "$place/blobs" || exit 75
        rm -rf "$plan"
        mv "$part" "$plan"
    fi
    mkdir -p "$plan/state/requests"
    base64 -d >"$plan/state/requests/$IMAGE+$BS_ATTEMPT"
    # The attempt keeps the descriptor: while it runs, no other attempt removes the plan.
    flock -s "$turn"
    # sshd, the daemon of Slurm or another parent may die without a word to its children.
    exec setpriv --pdeathsig KILL bash "$plan/lib/attempt.sh" "$IMAGE" </dev/null
}

# bring_plan FOLDER BLOBS: copy the plan out of the registry. Files that this machine has already do not travel.
bring_plan() {
    local wait manifest options=(--insecure-policy) hash path
    [[ -z ${CONTAINERS_REGISTRIES_CONF-} ]] || options+=(--registries-conf "$CONTAINERS_REGISTRIES_CONF")
    options+=(copy --quiet --preserve-digests)
    [[ -z ${BS_CERT_DIR-} ]] || options+=(--src-cert-dir "$BS_CERT_DIR")
    for wait in 1 2 4 8 15 15 0; do
        ! skopeo "${options[@]}" --dest-shared-blob-dir "$2" "docker://$BS_REGISTRY/$SET@$PLAN_DIGEST" "oci:$1/layout:plan" >&2 || break
        ((wait)) || return
        sleep "${BS_PAUSE:-$wait}"
    done
    rm -rf "$1/layout"
    manifest=$(tr -d '[:space:]' <"$2/sha256/${PLAN_DIGEST#sha256:}")
    [[ $manifest =~ \"layers\":\[\{[^}]*\"digest\":\"sha256:([0-9a-f]{64})\" ]] || return
    check_blob "$2" "${BASH_REMATCH[1]}" || return
    tar -xzf "$2/sha256/${BASH_REMATCH[1]}" -C "$1" --no-same-owner || return
    while read -r hash path; do
        check_blob "$2" "$hash" || return
        [[ $path != */* ]] || mkdir -p "$1/${path%/*}"
        ln -f "$2/sha256/$hash" "$1/$path" || return
    done <"$1/blobs"
    mkdir -p "$1/state" "$1/results" "$1/logs"
    : >"$1/state/whole"
    # After a crash of the machine, the mark must not be there without the files.
    sync -f "$1/state/whole"
}

# check_blob BLOBS HASH: skopeo does not read files again that are there already. Remove a damaged one: the next attempt brings it.
check_blob() {
    [[ $(sha256sum <"$1/sha256/$2") != "$2 "* ]] || return 0
    rm -f "$1/sha256/$2"
    printf 'error: %s of the worker %s is damaged, and is brought again\n' "$1/sha256/$2" "${BS_WORKER:-$HOSTNAME}" >&2
    return 1
}

# refuse_work REASON: this machine cannot run steps: the client tries no other attempt here.
refuse_work() {
    printf 'error: the worker %s cannot build: %s\n' "${BS_WORKER:-${HOSTNAME:-?}}" "$1" >&2
    exit 78
}

deliver
exit
