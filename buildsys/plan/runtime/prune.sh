#!/bin/bash
# prune.sh [--yes] [--keep N]: list what earlier builds of this set left in the store, a line each: kind, name, freed size. --yes removes
# it; --keep N keeps the N newest old keys of each image.
#   image         an image whose only name is an old key
#   name          an old key of an image with other names: the image stays
#   in use        an image with an old key that a container uses: it stays
#   container     a working container of a killed build of this plan
#   intermediate  an image before normalisation
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/begin.sh"
# shellcheck source=/dev/null
. "$PLAN/plan.env"
# shellcheck source=/dev/null
. "$LIB/store.sh"
: "${BS_STORE=}"
KEYS=localhost/buildsys-key/$SET
YES='' KEEP=0

main() {
    while (($#)); do
        case $1 in
            --yes) YES=yes ;;
            --keep) KEEP=$2 && shift ;;
            *) printf 'usage: %s [--yes] [--keep N]\n' "$0" >&2 && exit 2 ;;
        esac
        shift
    done
    mkdir -p "$STATE"
    open_store
    lock_plan_and_store
    SCRATCH=$(mktemp -d "$STATE/scratch.prune.XXXXXX")
    trap 'rm -rf "$SCRATCH"' EXIT
    list_store >"$SCRATCH/store"
    find_containers >"$SCRATCH/containers"
    find_images >"$SCRATCH/images"
    find_intermediates >>"$SCRATCH/images"
    measure_images >"$SCRATCH/sizes"
    show
    [[ -z $YES ]] || remove
    print_summary
}

# lock_plan_and_store: fail if a build uses this plan or this store.
lock_plan_and_store() {
    exec {TURN}<>"$STATE/lock"
    flock -n "$TURN" || refuse "$(<"$STATE/lock")"
    printf 'process %d of %s, pruning since %s\n' "$$" "$(id -un)" "$(date +%H:%M:%S)" >"$STATE/lock"
    exec {ALONE}>>"$RUNROOT/buildsys.lock"
    flock -n -x "$ALONE" || refuse "$(find_running_build)"
}

refuse() {
    printf 'error: nothing is pruned while a build uses the store: %s\n' "$1" >&2
    exit 1
}

# find_running_build: print the run that has the lock of the store, if its process is visible.
find_running_build() {
    local fd process words
    for fd in /proc/[0-9]*/fd/*; do
        process=${fd#/proc/} process=${process%%/*}
        [[ $process != "$$" && $fd -ef $RUNROOT/buildsys.lock ]] || continue
        words=$(tr '\0' ' ' <"/proc/$process/cmdline") 2>/dev/null || continue
        [[ $words == *lib/run.sh* ]] || continue
        printf 'process %d in %s: %s' "$process" "$(readlink "/proc/$process/cwd")" "${words% }"
        return
    done
    printf 'a process that is not visible here'
}

# find_containers: print the working containers of this plan, one a line; without a run they are unused. Writes the images of all other
# containers to SCRATCH/used.
find_containers() {
    local id='' place='' image name
    [[ ! -s $STATE/id ]] || { read -r id && read -r place; } <"$STATE/id" || :
    # A copy of a plan has the id of the original until its first run.
    [[ -n $id && $place == "$PLAN" ]] || id=none
    # A container from scratch has no image.
    while read -r name image; do
        if [[ $name == "buildsys-$id-"* ]]; then printf '%s\n' "$name"; else printf '%s\n' "$image" >&3; fi
    done < <(buildah containers --all --noheading --notruncate --format '{{.ContainerName}} {{.ImageID}}') 3>"$SCRATCH/used"
}

# find_images: print `WHAT ID NAME` for each old key of this set. Current is the key with which an image was last built or found fresh; if
# that is not known, or its image is missing, the key of the image that has the reference.
find_images() {
    local file
    for file in "$STATE"/*.inputs; do
        [[ ! -e $file ]] || printf '%s %s\n' "$(basename "$file" .inputs)" "$(sha256sum <"$file")"
    done >"$SCRATCH/current"
    for file in "$STATE"/*.keys; do
        [[ ! -e $file ]] || sed "s/^/$(basename "$file" .keys) /" "$file"
    done >"$SCRATCH/history"
    awk -v keys="$KEYS/" -v prefix="$PREFIX" -v tag="$TAG" '
        what == "graph" { known[$2] = 1 }
        what == "current" && $1 in known { current[$1] = $2 }
        what == "history" { rank[$1 ":" $2] = FNR }
        what == "store" {
            id[$2] = $1
            if (index($2, keys) == 1) found[++n] = substr($2, length(keys) + 1)
        }
        END {
            for (i = 1; i <= n; i++) {
                split(found[i], part, ":")
                image = part[1]; own = id[keys found[i]]
                if (part[2] == current[image]) continue
                named = (image in known) ? id[prefix image ":" tag] : ""
                if (own == named && own != id[keys image ":" current[image]]) continue
                print image, rank[found[i]] + 0, own, keys found[i]
            }
        }' what=graph "$PLAN/graph" what=current "$SCRATCH/current" what=history "$SCRATCH/history" \
        what=store "$SCRATCH/store" |
        sort -k 1,1 -k 2,2nr | awk -v keep="$KEEP" '++seen[$1] > keep { print $3, $4 }' >"$SCRATCH/older"
    # An image is removed with its last name.
    awk '
        what == "older" { going[$2] = 1 }
        what == "store" && !($2 in going) { stays[$1] = 1 }
        what == "used" { used[$1] = 1 }
        what == "" {
            if ($1 in stays) print "name", $1, $2
            else if ($1 in used) print "in-use", $1, $2
            else print ($1 in printed ? "name" : "image"), $1, $2
            printed[$1] = 1
        }' what=older "$SCRATCH/older" what=store "$SCRATCH/store" what=used "$SCRATCH/used" what= "$SCRATCH/older"
}

# find_intermediates: print the images before normalisation that still exist and have no name.
find_intermediates() {
    sed 's/^sha256://' "$STATE"/committed.* >"$SCRATCH/committed" 2>/dev/null || return 0
    buildah images --all --no-trunc --format '{{.ID}} {{.Name}}' | sed 's/^sha256://' |
        awk 'what == "ours" { ours[$1] = 1; next } $2 == "<none>" && $1 in ours { print "intermediate", $1, $1 }' \
            what=ours "$SCRATCH/committed" what= -
}

# measure_images: print `ID BYTES` for each removed image: the size of its layers that no remaining image uses, each counted once.
measure_images() {
    local inspect='{{.FromImageID}}{{range .OCIv1.RootFS.DiffIDs}} {{.}}{{end}}{{"\n"}}{{.Manifest}}'
    grep -qE '^(image|intermediate) ' "$SCRATCH/images" || return 0
    mkdir "$SCRATCH/inspected"
    # A list of images for several platforms cannot be inspected, and has no layers.
    # shellcheck disable=SC2016 # the words are those of the inner shell
    buildah images --all --no-trunc --quiet | sed 's/^sha256://' | sort -u |
        xargs -P "$(nproc)" -I {} bash -c '"$@" >"$0" 2>/dev/null || :' "$SCRATCH/inspected/{}" \
            buildah "${STORE[@]}" inspect --type image --format "$inspect" {}
    find "$SCRATCH/inspected" -type f -printf '%f\n' | awk -v folder="$SCRATCH/inspected/" '
        what == "going" { if ($1 == "image" || $1 == "intermediate") { going[$2] = 1; order[++n] = $2 }; next }
        { if (!($1 in going)) measure($1, 0) }
        END { for (i = 1; i <= n; i++) print order[i], measure(order[i], 1) }
        # A layer is identified by its digest and all digests below it.
        function measure(id, goes,    file, line, words, count, manifest, i, chain, sum) {
            file = folder id
            if ((getline line < file) > 0) count = split(line, words, " ")
            while ((getline line < file) > 0) manifest = manifest line
            close(file)
            sub(/.*"layers"/, "", manifest)
            for (i = 2; i <= count; i++) {
                chain = chain words[i]
                if (!match(manifest, /"size": *[0-9]+/)) break
                if (goes && !(chain in counted)) sum += substr(manifest, RSTART + 7, RLENGTH - 7)
                counted[chain] = 1
                manifest = substr(manifest, RSTART + RLENGTH)
            }
            return sum + 0
        }' what=going "$SCRATCH/images" what= -
}

show() {
    local what name size
    while read -r what name size; do
        printf '%s\t%s\t%s\n' "$what" "$name" "$size"
    done < <(
        awk '
            what == "sizes" { size[$1] = $2; next }
            what == "containers" { print "container", $1, "-"; next }
            { print $1, $3, ($1 == "image" || $1 == "intermediate") ? size[$2] : "-" }
        ' what=sizes "$SCRATCH/sizes" what= "$SCRATCH/images" what=containers "$SCRATCH/containers" |
            numfmt --field 3 --to iec-i --suffix B --invalid ignore
    )
}

# remove: remove containers first, because they use images; then images; then the keys without image from state/*.keys.
remove() {
    local file
    xargs -r -n 1 buildah "${STORE[@]}" rm <"$SCRATCH/containers" >/dev/null
    awk '$1 != "in-use" { print $3 }' "$SCRATCH/images" | xargs -r buildah "${STORE[@]}" rmi >/dev/null
    rm -f "$STATE"/committed.* "$STATE"/working.*
    list_store >"$SCRATCH/store"
    for file in "$STATE"/*.keys; do
        [[ -e $file ]] || continue
        awk -v name="$KEYS/$(basename "$file" .keys):" 'what == "store" { there[$2] = 1; next } (name $1) in there' \
            what=store "$SCRATCH/store" what= "$file" >"$SCRATCH/keys"
        mv -f "$SCRATCH/keys" "$file"
    done
}

print_summary() {
    local freed counts done='would go' hint='; --yes removes them'
    freed=$(awk '{ sum += $2 } END { print sum + 0 }' "$SCRATCH/sizes" | numfmt --to iec-i --suffix B)
    counts=$(
        cut -d ' ' -f 1 "$SCRATCH/images" | sort | uniq -c | while read -r count what; do
            [[ $what == in-use ]] || printf '%d %s%s, ' "$count" "$what" "$([[ $count == 1 ]] || echo s)"
        done
        count=$(wc -l <"$SCRATCH/containers")
        ((count == 0)) || printf '%d container%s, ' "$count" "$([[ $count == 1 ]] || echo s)"
    )
    if [[ -z $counts ]]; then
        printf '%s: nothing to prune\n' "$SET" >&2
        return
    fi
    [[ -z $YES ]] || done=removed hint=''
    printf '%s: %s %s: %s freed%s\n' "$SET" "${counts%, }" "$done" "$freed" "$hint" >&2
}

main "$@"
