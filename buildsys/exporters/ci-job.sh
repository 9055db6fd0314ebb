#
#   job.sh plan             write the plan, and send it to the work registry
#   job.sh build IMAGE…     build these images by that plan; the work registry has what other jobs built
#   job.sh publish          bring all images here, build what no job has built, and publish the set
#
# BS_REGISTRY               the work registry: HOST[:PORT][/PREFIX]
# BS_RUN                    the same text in all jobs of a pipeline
# BS_TO                     destinations of `publish`, with spaces between; empty: nothing is published
# BS_REGISTRY_USER, BS_REGISTRY_PASSWORD    a login there, if it wants one
# BUILDSYS                  how buildsys is called; `build` needs none
set -euo pipefail
: "${BS_REGISTRY:?must name the work registry: HOST[:PORT][/PREFIX]}" "${BS_RUN:?must be the same text in all jobs of a pipeline}"
export BS_REGISTRY
PLAN=build/$FOLDER
CARRIED=$BS_REGISTRY/$SET-plan:$BS_RUN
read -ra buildsys <<<"${BUILDSYS:-buildsys}"
# BS_STORE is quoted like words of a shell.
store=()
[[ -z ${BS_STORE-} ]] || mapfile -t store < <(xargs -n 1 printf '%s\n' <<<"$BS_STORE")

log_in() {
    [[ -z ${BS_REGISTRY_USER-} ]] ||
        buildah login --username "$BS_REGISTRY_USER" --password-stdin "${BS_REGISTRY%%/*}" <<<"${BS_REGISTRY_PASSWORD-}"
}

# send_plan: the plan travels as an image with one file.
send_plan() {
    local container name=localhost/$SET-plan:$BS_RUN
    tar -C "$PLAN" --exclude ./state --exclude ./results --exclude ./logs -cf build/plan.tar .
    container=$(buildah "${store[@]}" from scratch)
    buildah "${store[@]}" copy --quiet "$container" build/plan.tar /plan.tar >/dev/null
    buildah "${store[@]}" commit --quiet --format oci --rm "$container" "$name" >/dev/null
    buildah "${store[@]}" push --quiet "$name" "docker://$CARRIED"
    buildah "${store[@]}" rmi "$name" >/dev/null
    rm build/plan.tar
}

# bring_plan: bring the plan of this pipeline, unless this folder has it.
bring_plan() {
    local layer from=build/plan.carried options=(--insecure-policy)
    [[ ! -e $PLAN.run || $(<"$PLAN.run") != "$BS_RUN" ]] || return 0
    rm -rf "$from" "$PLAN"
    mkdir -p build "$PLAN"
    # Other tools read this variable, skopeo has an option.
    [[ -z ${CONTAINERS_REGISTRIES_CONF-} ]] || options+=(--registries-conf "$CONTAINERS_REGISTRIES_CONF")
    skopeo "${options[@]}" copy --quiet "docker://$CARRIED" "dir:$from"
    layer=$(tr -d '[:space:]' <"$from/manifest.json" | sed -E 's/.*"layers":\[\{[^]]*"digest":"sha256:([0-9a-f]+)".*/\1/')
    tar -xzOf "$from/$layer" plan.tar | tar -C "$PLAN" -xf -
    rm -rf "$from"
    printf '%s\n' "$BS_RUN" >"$PLAN.run"
}

log_in
case ${1-} in
    plan)
        "${buildsys[@]}" plan "${ARGUMENTS[@]}" -o "$PLAN"
        printf '%s\n' "$BS_RUN" >"$PLAN.run"
        send_plan
        ;;
    build)
        bring_plan
        make -C "$PLAN" --keep-going "${@:2}"
        ;;
    publish)
        bring_plan
        make -C "$PLAN" "${GOALS[@]}"
        read -ra places <<<"${BS_TO-}"
        ((${#places[@]} == 0)) ||
            "${buildsys[@]}" publish "$SET" -o "$PLAN" "${GOALS[@]}" "${places[@]/#/--to=}"
        ;;
    *)
        printf 'usage: %s plan | build IMAGE... | publish\n' "$0" >&2
        exit 2
        ;;
esac
