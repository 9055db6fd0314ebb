# Damage of the container store, as far as it shows without reading layers: what a lost block, a full disk or a hand in the
# store's folders left. A store takes its own records for granted: `buildah images` lists what nobody can use any more, and
# a layer made again is not written over one that has its name.
#
# Where the store is not laid out as we know it, nothing is looked at.

# damaged_images FOLDER: prints `WHAT ID NAME WORDS` for all images of buildsys that are damaged, and for the bases of this plan, a
# line for each name; ID is the image's, WHAT is `layer:ID` or `image:ID`, what is damaged of it. BS_DAMAGED, a file with a
# line `LAYER WORDS` for each, names layers that were found damaged by reading them. FOLDER is for temporary files.
damaged_images() {
    local images=$GRAPHROOT/$DRIVER-images layers=$GRAPHROOT/$DRIVER-layers known=$STATE/layers place=$1 ids=() id more=''
    [[ -s $images/images.json && $DRIVER == @(overlay|vfs) ]] || return 0
    # Layers of other stores are theirs.
    [[ "${STORE_OPTIONS[*]}" != *imagestore=* ]] || more=yes
    records "$images/images.json" >"$place/images"
    mapfile -t ids < <(named=$(plan_bases && plan_names) awk "$READ_RECORDS"'
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
        # By names that hold nothing of where the store lies.
        (cd "$images" && for id in "${ids[@]}"; do printf '%s\0' "$id"/*; done | xargs -r -0 sha256sum --) || :
    } >"$place/store" 2>/dev/null
    # One that was cut short is to the store as if it was empty.
    for id in layers volatile-layers; do
        [[ ! -s $layers/$id.json || $(tail -c 3 "$layers/$id.json") != *']' ]] || { records "$layers/$id.json" && printf '\n'; }
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
            # Of the manifest that is there now: "digest" is that of the first which an image with this id had.
            digest = match($0, /"manifest":"sha256:[0-9a-f]+"/) ? substr($0, RSTART + 19, 64) : ""
            # Older manifests are not known by the hash of their file; those of ours are.
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
        # Configuration and manifest have their hashes for names.
        function image_damage(image, digest) {
            if (hash[image "/manifest"] == "") return "it has no manifest"
            if (digest != "" && hash[image "/manifest"] != digest) return "its manifest is another"
            return config_damage(image)
        }
        function config_damage(image) {
            if (!(image in configuration)) gather()
            if (configuration[image] == "") return "it has no configuration"
            return configuration[image] == image ? "" : "its configuration is another"
        }
        # In base64 every name that begins with `sha256:` begins so.
        function gather(    file, part) {
            if (gathered++) return
            for (file in hash) if (split(file, part, "/") == 2 && part[2] ~ /^=c2hhMjU2O/) configuration[part[1]] = hash[file]
        }
        function judge(id,    link) {
            if (!(id in there)) { if (!ENVIRON["more"]) bad(id, "the store has no record of it"); return }
            if (!(id in split_size) || split_size[id] == 0) bad(id, "how its bytes were packed is lost")
            else if (id in known && known[id] != split_size[id] " " size[id "/lower"]) bad(id, "how its bytes were packed was cut short")
            if (driver != "overlay") { if (!(id in folder)) bad(id, "its folder is gone"); return }
            link = says[id "/link"]
            if (kind[id "/diff"] != "d") bad(id, "its folder is gone")
            else if (link == "") bad(id, "its link is lost")
            else if (target["l/" link] != "../" id "/diff") bad(id, "its link leads nowhere")
            else if (parent[id] != "" && parent[id] in there && says[id "/lower"] != lower_of(parent[id])) bad(id, "what lies below it is lost")
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

# remove_damaged: removes images that are damaged, with all their names, and those made from them, so that the steps make them
# again; state/damaged says why, in the words above. No image is removed while somebody else builds in this store.
remove_damaged() {
    local said=$STATE/damaged what id name words images=() lost='' known
    damaged_images "$TMPDIR" >"$said"
    [[ -s $said ]] || return 0
    if ! flock -n -x "$SHARED"; then
        printf '%s: the store is damaged; waiting for other builds in it, to remove what is\n' "$SET" >&2
        flock -x "$SHARED"
    fi
    # Somebody may have seen to it meanwhile.
    damaged_images "$TMPDIR" >"$said"
    known=$'\n'$(plan_bases)$'\n'
    while read -r what id name words; do
        if [[ $name == - ]]; then
            images+=("$id")
        elif [[ $name == localhost/* && ( $known == *$'\n'"$name"$'\n'* || $known == *$'\n'"${name%:latest}"$'\n'* ) ]]; then
            # What was made here by others is nowhere else.
            printf 'error: the base image %s is damaged in the store: %s\n' "$name" "$words" >&2
            lost=yes
        else
            images+=("$name")
            [[ $name == localhost/buildsys-key/* ]] || printf '%s: damaged in the store, removed: %s\n' "$name" "$words" >&2
        fi
    done < <(awk '!told[$2 $3]++' "$said")
    if [[ -n $lost ]]; then
        printf '  hint: "buildah rmi" removes it; then put it there again\n' >&2
        SUMMED=yes
        exit 1
    fi
    # What stands in a link file is removed with its layer, wherever that is: of an empty one the folder of all links.
    for what in "$GRAPHROOT/overlay"/*/link; do
        [[ ! -f $what || $(tr -d '\0' <"$what") =~ ^[A-Z0-9]{26}$ ]] || rm -f "$what"
    done
    ((${#images[@]} == 0)) || buildah rmi "${images[@]}" >/dev/null 2>"$TMPDIR/removed" || :
    # A folder of which the store has no record would be taken for the layer that is made in its place.
    while read -r id; do
        records "$GRAPHROOT/$DRIVER-layers/layers.json" >"$TMPDIR/layers"
        ! grep -q "^{\"id\":\"$id\"" "$TMPDIR/layers" || continue
        rm -rf "${GRAPHROOT:?}/$DRIVER/$id" "${GRAPHROOT:?}/$DRIVER/dir/$id" "$GRAPHROOT/$DRIVER-layers/$id.tar-split.gz"
        sed -i "/^$id /d" "$STATE/layers" 2>/dev/null || :
    done < <(sed -nE 's/^layer:([0-9a-f]+) .*/\1/p' "$said" | sort -u)
    damaged_images "$TMPDIR" >"$TMPDIR/left"
    if [[ -s $TMPDIR/left ]]; then
        printf 'error: images that are damaged in the store cannot be removed:\n' >&2
        awk '!told[$3]++ { print "    " $3 }' "$TMPDIR/left" >&2
        tail -n 3 "$TMPDIR/removed" | sed 's/^/    /' >&2
        printf '  hint: "buildah rm" the containers that use them, then build again\n' >&2
        SUMMED=yes
        exit 1
    fi
    flock -s "$SHARED"
}

# damage_of NAME: the words about an image of that name, from the file BS_DAMAGE; nothing when it is sound.
damage_of() {
    [[ ! -s ${BS_DAMAGE-} ]] || awk -v name="$1" '$3 == name { sub(/^[^ ]+ [^ ]+ [^ ]+ /, ""); print; exit }' "$BS_DAMAGE"
}

# list_overlay: the folders and links of all layers, and what stands in their small files.
list_overlay() {
    (
        cd "$GRAPHROOT/overlay" || return
        find . -mindepth 2 -maxdepth 2 \( -name diff -o -name link -o -name lower -o -path './l/*' \) -printf 'overlay %P %y %s %l\n'
        # shellcheck disable=SC2016 # for awk
        find . -mindepth 2 -maxdepth 2 -type f \( -name link -o -name lower \) -size -64k -print0 |
            xargs -r -0 awk '{ print "says " substr(FILENAME, 3) " " $0 }'
    )
}

# For awk, of a record: value(RECORD, KEY) of hexadecimal digits, and names(RECORD), their number; sets name.
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

# plan_names: the names that this plan gives to images, a line each.
plan_names() { awk -v prefix="$PREFIX" -v tag="$TAG" '{ print prefix $2 ":" tag }' "$PLAN/graph"; }

# plan_bases: the images built elsewhere that those of the plan are made from, a line each.
plan_bases() { (cd "$PLAN/keys" && cat -- * | sed -nE 's/^(base|outside) //p' | sort -u); }
