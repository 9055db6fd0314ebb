# What builds leave behind: working containers and scratch folders of killed steps, images before normalisation.

# clear_leftovers: remove what a kill -9 left: working containers with a marker, and scratch folders. Remove keyrings by which a
# signature failed, too.
clear_leftovers() {
    local id left marker name gone=() markers=("$STATE"/working.*)
    for name in "$STATE"/scratch.*; do
        # why.sh takes no lock; keep the folder of its look.sh while that runs.
        [[ $name != "$TMPDIR" ]] || continue
        [[ ! $name =~ /scratch\.look\.([0-9]+)\.[^/]*$ || ! -d /proc/${BASH_REMATCH[1]} ]] || continue
        [[ ! -d $name ]] || unmount_below "$name"
        rm -rf "$name"
    done
    for name in "$STATE"/keyring.*.doubtful; do
        [[ ! -e $name ]] || rm -rf "${name%.doubtful}" "$name"
    done
    [[ -e ${markers[0]} ]] || return 0
    read -r id <"$STATE/id"
    left=$(list_working_containers "$id") || return 0
    if printf '%s' "$left" | xargs -r -n 1 buildah "${STORE[@]}" rm >/dev/null; then
        left=''
    else
        left=$(list_working_containers "$id") || return 0
    fi
    for marker in "${markers[@]}"; do
        name=${marker#"$STATE"/working.}
        [[ $'\n'$left$'\n' == *$'\n'"buildsys-$id-${name/+/-READS-}"$'\n'* ]] || gone+=("$marker")
    done
    ((${#gone[@]} == 0)) || rm -f "${gone[@]}"
}

# unmount_below DIR: unmount everything below a folder, so that it can be removed. Only plans of older versions mounted there.
unmount_below() {
    local point
    while read -r _ _ _ _ point _; do
        printf -v point '%b' "$point"
        [[ $point != "$1"/* ]] || umount "$point" || :
    done < <(tac /proc/self/mountinfo)
}

# list_working_containers ID: print the working containers of the plan with this id, a line each. buildah was killed before it wrote its
# own record of some: only --all lists these.
list_working_containers() { buildah containers --all --noheading --format '{{.ContainerName}}' | sed -n "s/ *\$//; /^buildsys-$1-/p"; }

# drop_intermediates: remove the images before normalisation, all in one call, if no other build uses this store. Also after a run that
# built nothing, because a step that outlived an earlier run may have left one. Such a step may write a file now: remove only the files
# that were read.
drop_intermediates() {
    local files=() ids=() gone=() file word left alone i
    for file in "$STATE"/committed.*; do
        [[ -s $file ]] || continue
        word=$(<"$file")
        files+=("$file") ids+=("${word#sha256:}")
    done
    ((${#ids[@]})) || return 0
    # Open the lock again: a step that outlived make may still have the inherited descriptor.
    exec {SHARED}>&- {alone}>>"$RUNROOT/buildsys.lock"
    if flock -n -x "$alone"; then
        # An image with a name took one commit: it is the final image.
        left=$(list_images) || files=()
        for i in "${!files[@]}"; do [[ $left =~ ${ids[i]}\ [^\<] ]] || gone+=("${ids[i]}"); done
        if ((${#gone[@]})) && ! buildah rmi "${gone[@]}" >/dev/null 2>&1; then
            # Some images were missing. Keep the files of images in use for the next run.
            left=$(list_images) || files=()
            for i in "${!files[@]}"; do [[ $left != *"${ids[i]} <none>"* ]] || unset "files[i]"; done
        fi
        ((${#files[@]} == 0)) || rm -f "${files[@]}"
    fi
    exec {alone}>&-
}

# list_images: print an id and a name a line; `<none>` for an image without a name.
list_images() { buildah images --all --no-trunc --format '{{.ID}} {{.Name}}' | tr -s ' '; }
