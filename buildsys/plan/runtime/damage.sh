# Damage of the container store that is visible without reading layers: the result of a lost block, a full disk or a manual change.
# buildah and podman trust the records of a store: `buildah images` lists unusable images, and a layer that is built again does not
# replace a damaged one with the same id. No command of the supported versions reports such damage, so this file reads the store.
#
# Stores with an unknown layout are not checked.

# list_damage FOLDER: print `WHAT ID NAME WORDS` for each name of a damaged image, if buildsys built it or it is a base of this plan. WHAT
# is the damaged part, `layer:ID` or `image:ID`; ID is the id of the image. BS_DAMAGED is a file with lines `LAYER WORDS`, of layers that
# were found damaged by reading them. FOLDER is for temporary files.
list_damage() {
    local images=$GRAPHROOT/$DRIVER-images layers=$GRAPHROOT/$DRIVER-layers known=$STATE/layers place=$1 ids=() id more=''
    [[ -s $images/images.json && $DRIVER == @(overlay|vfs) ]] || return 0
    # Layers may lie in additional image stores, which are not checked.
    [[ "${STORE_OPTIONS[*]}" != *imagestore=* ]] || more=yes
    split_records "$images/images.json" >"$place/images"
    mapfile -t ids < <(named=$(list_bases && list_plan_images) awk "$READ_RECORDS"'
        BEGIN { count = split(ENVIRON["named"], one, "\n"); for (i = 1; i <= count; i++) is_named[one[i]] = 1 }
        {
            count = names($0)
            for (i = 1; i <= count; i++) {
                if (index(name[i], "localhost/buildsys-key/") == 1 || name[i] in is_named) {
                    print value($0, "id"); break
                }
            }
        }' "$place/images")
    ((${#ids[@]})) || return 0
    {
        printf 'looked %s\n' "${ids[@]}"
        [[ ! -s ${BS_DAMAGED-} ]] || sed 's/^/read /' "$BS_DAMAGED"
        [[ ! -s $known ]] || sed 's/^/known /' "$known"
        find "$layers" -maxdepth 1 -name '*.tar-split.gz' -printf 'split %f %s\n'
        if [[ $DRIVER == overlay ]]; then list_overlay; else
            find "$GRAPHROOT/$DRIVER/dir" -mindepth 1 -maxdepth 1 -type d -printf 'folder %f\n'
        fi
        # Relative names, because the path of the store may contain any character.
        (cd "$images" && for id in "${ids[@]}"; do printf '%s\0' "$id"/*; done | xargs -r -0 sha256sum --) || :
    } >"$place/store" 2>/dev/null
    # The store treats a truncated file as empty.
    for id in layers volatile-layers; do
        [[ ! -s $layers/$id.json || $(tail -c 3 "$layers/$id.json") != *']' ]] || { split_records "$layers/$id.json" && printf '\n'; }
    done | driver=$DRIVER more=$more noted=$place/known awk "$READ_RECORDS"'
        function bad(id, words) { if (!(id in wrong)) wrong[id] = words }
        BEGIN { driver = ENVIRON["driver"] }
        what == "store" && $1 == "looked" { looked[$2] = 1; next }
        what == "store" && $1 == "read" { words = $0; sub(/^read [^ ]+ /, "", words); bad($2, words); next }
        what == "store" && $1 == "known" { known[$2] = $3 " " $4; next }
        what == "store" && $1 == "split" { sub(/\.tar-split\.gz$/, "", $2); split_size[$2] = $3; next }
        what == "store" && $1 == "folder" { folder[$2] = 1; next }
        what == "store" && $1 == "overlay" { kind[$2] = $3; size[$2] = $4; target[$2] = $5; next }
        what == "store" && $1 == "says" { says[$2] = $3; next }
        what == "store" { hash[$2] = $1; next }
        what == "layers" { parent[value($0, "id")] = value($0, "parent"); there[value($0, "id")] = 1; next }
        !(value($0, "id") in looked) { next }
        {
            image = value($0, "id"); top = value($0, "layer")
            # The digest of the current manifest; "digest" is of the first manifest that an image with this id had.
            digest = match($0, /"manifest":"sha256:[0-9a-f]+"/) ? substr($0, RSTART + 19, 64) : ""
            # The digest of an old manifest is not the hash of its file; for images of buildsys it is.
            words = $0 ~ /"localhost\/buildsys-key\// ? image_damage(image, digest) : ""
            for (id = top; id != "" && words == ""; id = parent[id]) {
                if (!(id in judged)) { judged[id] = 1; judge(id); note(id) }
                if (id in wrong) { words = "layer " substr(id, 1, 12) ": " wrong[id]; which = "layer:" id }
                if (steps[image]++ > 1000) words = "the chain of its layers has no end"
                if (!(id in there)) break
            }
            if (words == "") next
            if (words !~ /^layer /) which = "image:" image
            count = names($0)
            if (!count) print which, image, "-", words
            for (i = 1; i <= count; i++) print which, image, name[i], words
        }
        # The names of configuration and manifest are their hashes.
        function image_damage(image, digest) {
            if (hash[image "/manifest"] == "") return "its manifest is missing"
            if (digest != "" && hash[image "/manifest"] != digest) return "its manifest was changed"
            return config_damage(image)
        }
        function config_damage(image) {
            if (!(image in configuration)) gather()
            if (configuration[image] == "") return "its configuration is missing"
            return configuration[image] == image ? "" : "its configuration was changed"
        }
        # The beginning of `sha256:` in base64.
        function gather(    file, part) {
            if (gathered++) return
            for (file in hash) if (split(file, part, "/") == 2 && part[2] ~ /^=c2hhMjU2O/) configuration[part[1]] = hash[file]
        }
        function judge(id,    link) {
            if (!(id in there)) { if (!ENVIRON["more"]) bad(id, "the store has no record of it"); return }
            if (!(id in split_size) || split_size[id] == 0) bad(id, "its tar-split file is missing")
            else if (id in known && known[id] != split_size[id] " " size[id "/lower"]) bad(id, "its tar-split file is truncated")
            if (driver != "overlay") { if (!(id in folder)) bad(id, "its directory is missing"); return }
            link = says[id "/link"]
            if (kind[id "/diff"] != "d") bad(id, "its directory is missing")
            else if (link == "") bad(id, "its link file is missing")
            else if (target["l/" link] != "../" id "/diff") bad(id, "its link leads nowhere")
            else if (parent[id] != "" && parent[id] in there && says[id "/lower"] != lower_of(parent[id])) bad(id, "its file `lower` is wrong")
        }
        function note(id) {
            if (!(id in wrong)) print id, split_size[id], size[id "/lower"] >ENVIRON["noted"]
            else if (id in known) print id, known[id] >ENVIRON["noted"]
        }
        function lower_of(id,    below) {
            below = says[id "/lower"]
            return "l/" says[id "/link"] (below == "" ? "" : ":" below)
        }' what=store "$place/store" what=layers - what=images "$place/images"
    [[ ${BS_WHY-} == 1 || ! -e $place/known ]] || mv -f "$place/known" "$known"
}

# remove_damaged: remove damaged images with all their names, and the images built from them, so that the steps build them again.
# state/damaged has the reasons, in the words above. Waits until no other build uses this store.
remove_damaged() {
    local found=$STATE/damaged what id name words images=() lost='' known
    list_damage "$TMPDIR" >"$found"
    [[ -s $found ]] || return 0
    if ! flock -n -x "$SHARED"; then
        printf '%s: the store is damaged; waiting for other builds in it before the damaged images are removed\n' "$SET" >&2
        flock -x "$SHARED"
    fi
    # Another build may have removed them meanwhile.
    list_damage "$TMPDIR" >"$found"
    known=$'\n'$(list_bases)$'\n'
    while read -r what id name words; do
        if [[ $name == - ]]; then
            images+=("$id")
        elif [[ $name == localhost/* && ( $known == *$'\n'"$name"$'\n'* || $known == *$'\n'"${name%:latest}"$'\n'* ) ]]; then
            # Local base images are in no registry: never remove them.
            printf 'error: the base image %s is damaged in the store: %s\n' "$name" "$words" >&2
            lost=yes
        else
            images+=("$name")
            [[ $name == localhost/buildsys-key/* ]] || printf '%s: damaged in the store, removed: %s\n' "$name" "$words" >&2
        fi
    done < <(awk '!printed[$2 $3]++' "$found")
    if [[ -n $lost ]]; then
        printf '  hint: remove it with "buildah rmi", then build or load it again\n' >&2
        SUMMED=yes
        exit 1
    fi
    # The driver removes the path that a link file names. For an empty file that is the folder of all links.
    for what in "$GRAPHROOT/overlay"/*/link; do
        [[ ! -f $what || $(tr -d '\0' <"$what") =~ ^[A-Z0-9]{26}$ ]] || rm -f "$what"
    done
    ((${#images[@]} == 0)) || buildah rmi "${images[@]}" >/dev/null 2>"$TMPDIR/removed" || :
    # The store would use a folder without record as the layer that is built again.
    while read -r id; do
        split_records "$GRAPHROOT/$DRIVER-layers/layers.json" >"$TMPDIR/layers"
        ! grep -q "^{\"id\":\"$id\"" "$TMPDIR/layers" || continue
        rm -rf "${GRAPHROOT:?}/$DRIVER/$id" "${GRAPHROOT:?}/$DRIVER/dir/$id" "$GRAPHROOT/$DRIVER-layers/$id.tar-split.gz"
        sed -i "/^$id /d" "$STATE/layers" 2>/dev/null || :
    done < <(sed -nE 's/^layer:([0-9a-f]+) .*/\1/p' "$found" | sort -u)
    list_damage "$TMPDIR" >"$TMPDIR/left"
    if [[ -s $TMPDIR/left ]]; then
        printf 'error: damaged images of the store cannot be removed:\n' >&2
        awk '!printed[$3]++ { print "    " $3 }' "$TMPDIR/left" >&2
        tail -n 3 "$TMPDIR/removed" | sed 's/^/    /' >&2
        printf '  hint: remove the containers that use them with "buildah rm", then build again\n' >&2
        SUMMED=yes
        exit 1
    fi
    flock -s "$SHARED"
}

# find_damage NAME: print the words about an image from the file BS_DAMAGE; nothing if it is not damaged.
find_damage() {
    [[ ! -s ${BS_DAMAGE-} ]] || awk -v name="$1" '$3 == name { sub(/^[^ ]+ [^ ]+ [^ ]+ /, ""); print; exit }' "$BS_DAMAGE"
}

# list_overlay: print the folders and links of all layers, and the contents of their small files.
list_overlay() {
    (
        cd "$GRAPHROOT/overlay" || return
        find . -mindepth 2 -maxdepth 2 \( -name diff -o -name link -o -name lower -o -path './l/*' \) -printf 'overlay %P %y %s %l\n'
        # shellcheck disable=SC2016 # for awk
        find . -mindepth 2 -maxdepth 2 -type f \( -name link -o -name lower \) -size -64k -print0 |
            xargs -r -0 awk '{ print "says " substr(FILENAME, 3) " " $0 }'
    )
}

# For awk: value(record, key) is a value of hexadecimal digits; names(record) is the number of names, and sets name.
READ_RECORDS='
    function value(record, key) {
        return match(record, "\"" key "\":\"[0-9a-f]+\"") ? substr(record, RSTART + length(key) + 4, 64) : ""
    }
    function names(record,    list) {
        split("", name)
        if (!match(record, /"names":\[[^]]*\]/)) return 0
        list = substr(record, RSTART + 10, RLENGTH - 12)
        if (list == "") return 0
        return split(list, name, /","/)
    }'

# list_plan_images: print the references of this plan's images, a line each.
list_plan_images() { awk -v prefix="$PREFIX" -v tag="$TAG" '{ print prefix $2 ":" tag }' "$PLAN/graph"; }

# list_bases: print the external images that the plan's images are built from, a line each.
list_bases() { (cd "$PLAN/keys" && cat -- * | sed -nE 's/^(base|outside) //p' | sort -u); }
