#!/bin/bash
# Builds the images of this tree in their order: ./build.sh [IMAGE…], which are built whether their parents are or not.
#   BUILDER=buildah|podman|docker     else the first of these that is installed
#   BUILDER_OPTIONS="--root DIR …"    options of the builder itself, before its verb
#   BUILD_OPTIONS="--isolation …"     options of its verb `build`
#   KEEP_GOING=1                      after a failure build what does not depend on it
# Exit status: 0 all are built; 1 one was not; 2 there is no such image; 3 there is no builder.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")"

: "${BUILDER:=$(command -v buildah || command -v podman || command -v docker || :)}" "${KEEP_GOING:=}"
[[ -n $BUILDER ]] || { printf 'error: none of buildah, podman and docker is installed\n' >&2 && exit 3; }
read -ra global <<<"${BUILDER_OPTIONS-}"
read -ra local <<<"${BUILD_OPTIONS-}"
format=$(<format)
case ${BUILDER##*/} in
    buildah) local=(--format "$format" --identity-label=false "${local[@]}") ;;
    podman) local=(--format "$format" --squash "${local[@]}") ;;
esac

for name; do
    awk -v name="$name" '$1 == name { found = 1 } END { exit !found }' build-order || {
        printf 'error: there is no image %s\n' "$name" >&2
        exit 2
    }
done

declare -A failed=()
built=0
while read -r name reference needs; do
    [[ $# == 0 || " $* " == *" $name "* ]] || continue
    blocked=''
    for need in $needs; do [[ -z ${failed[$need]-} ]] || blocked=$need; done
    if [[ -n $blocked ]]; then
        failed[$name]=yes
        printf '%s: blocked by %s\n' "$name" "$blocked" >&2
        continue
    fi
    printf '%s\n' "$name"
    options=("${local[@]}")
    if [[ -e images/$name/annotations && ${BUILDER##*/} != docker ]]; then
        while IFS= read -r annotation; do options+=(--annotation "$annotation"); done <"images/$name/annotations"
    fi
    if [[ -e images/$name/arguments ]]; then
        while IFS= read -r argument; do options+=(--build-arg "$argument"); done <"images/$name/arguments"
    fi
    if [[ -e images/$name/contexts ]]; then
        while IFS= read -r named; do
            options+=(--build-context "${named%%=*}=$PWD/images/$name/${named#*=}")
        done <"images/$name/contexts"
    fi
    context=images/$name
    # An image that came with a Containerfile of its own has what that sees in a folder of its own.
    [[ ! -d $context/context ]] || context+=/context
    if "$BUILDER" "${global[@]}" build "${options[@]}" --tag "$reference" --file "images/$name/Containerfile" "$context" </dev/null; then
        built=$((built + 1))
    else
        failed[$name]=yes
        printf 'error: %s could not be built\n' "$name" >&2
        [[ -n $KEEP_GOING ]] || break
    fi
done <build-order
printf '%d built, %d not\n' "$built" "${#failed[@]}" >&2
((${#failed[@]} == 0))
