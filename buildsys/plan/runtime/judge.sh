# The images that the plan's records confirm as fresh. This is the only reader of stamps, for a run and, by lib/current.sh, for all
# commands that use the result of a run. lib/freshness.sh decides about all other images.
#
# The records of an image are state/NAME.id, .inputs and .spots, results/NAME.json and its stamp. All of them must exist, be complete
# and belong to one build: a crash of the machine may leave files empty, truncated or outdated.

# make_run_folders: create the folders that a run writes in; remove other kinds of files at their places. Of the files only the lock is
# checked here, because another run may be writing the rest.
make_run_folders() {
    local folder
    for folder in "$STATE" "$PLAN/results" "$PLAN/logs"; do
        [[ -d $folder ]] || { rm -f "$folder" && mkdir -p "$folder"; }
    done
    [[ ! -L $STATE/lock && ! -d $STATE/lock ]] || rm -rf "$STATE/lock"
}

# remove_odd_files: remove folders, links and unreadable files at the places of records, logs and lists. The caller has the lock.
remove_odd_files() {
    local known=(scratch.\* payload verified keys downloads cache keyring.\* tried publish tmp) names=() name
    for name in "${known[@]}"; do names+=(-o -name "$name"); done
    {
        find "$STATE/" -mindepth 1 -maxdepth 1 ! \( "${names[@]:1}" \) \( ! -type f -o ! -readable \) -print0
        find "$STATE/" -mindepth 1 -maxdepth 1 \( "${names[@]:1}" \) ! -type d ! -name '*.lock' \
            ! -name '*.id' ! -name '*.inputs' ! -name '*.spots' ! -name '*.keys' ! -name '*.checked' ! -name '*.given' \
            ! -name '*.contents' ! -name '*.exchanged' -print0
        find "$PLAN/results/" "$PLAN/logs/" -mindepth 1 -maxdepth 1 -name '*.*' \( ! -type f -o ! -readable \) -print0
    } | xargs -r -0 rm -rf
    [[ ! -d $PLAN/promoted.json ]] || rm -rf "$PLAN/promoted.json"
}

# judge_images GOALS [LISTING]: print `fresh NAME ID` for each image that its records confirm, and `drop FILE` for each invalid record.
# With LISTING, of the store, the image's name must have that id there, and the other inputs in the stamp must not have changed: ids of
# the images it was built from, the way buildah packs layers, the state of repositories.
judge_images() {
    local listing=/dev/null repositories=/dev/null
    [[ -z ${2-} ]] || listing=$2 repositories=$STATE/repositories
    STATE=$STATE awk -v layers="${LAYERS-}" -v prefix="$PREFIX" -v tag="$TAG" -v force="${BS_FORCE-}" \
        -v format="${BS_FORMAT:-$FORMAT}" -v epoch="${BS_EPOCH:-$EPOCH}" -v database="${BS_DATABASE-}" -v stored="${2:+yes}" '
        # Does the name of a base image still have this id? The store lists full names. A missing base image is not needed.
        function unmoved(name, was,    full, place, gone, listed) {
            if (name ~ /@/) return 1
            full = name ~ /:[^\/]*$/ ? name : name ":latest"
            if (full in id) return id[full] == was
            place = full
            sub(/\/.*/, "", place)
            if (place != full && place ~ /[.:]|^localhost$/) return 1
            gone = 1
            for (listed in id) if (substr(listed, length(listed) - length(full)) == "/" full) {
                if (id[listed] == was) return 1
                gone = 0
            }
            return gone
        }
        function first_line(file,    line) {
            line = ""
            if (file in there) { getline line <(state "/" file); close(state "/" file) }
            return line
        }
        # The whole file, which has no byte of value 1. Without a final newline it is truncated.
        function contents(file,    text, kept) {
            kept = RS; RS = "\001"; text = ""
            if (file in there) { getline text <(state "/../" file); close(state "/../" file) }
            RS = kept
            return text
        }
        # Read a stamp: return its id, or nothing if its last line is missing. Sets key, spots and read.
        function stamped(file,    line, word, own, whole) {
            own = whole = reads = 0
            if (!(file in there)) return ""
            file = state "/" file
            if ((getline line <file) > 0) {
                split(line, word, " ")
                own = word[1]; made_format = word[3]; made_epoch = word[4]; key = word[5]; spots = word[6]
            }
            while (own && (getline line <file) > 0) {
                whole = line == "whole"
                if (!whole) read[++reads] = line
            }
            close(file)
            return whole && length(own) == 64 && own ~ /^[0-9a-f]+$/ ? own : ""
        }
        function result_is_of(name, own,    text) {
            text = contents("results/" name ".json")
            return substr(text, length(text) - 1) == "}\n" && index(text, "{\"image\": \"" name "\", ") == 1 &&
                index(text, "\"image_id\": \"" own "\", ") && index(text, "\"key\": \"" key "\", ")
        }
        function as_then(    i, word, good) {
            for (i = 1; i <= reads; i++) {
                split(read[i], word, " ")
                if (word[1] == "image" && word[2] in now) good = now[word[2]] == word[3]
                else if (word[1] == "image" && word[2] in seen) good = 0
                else if (!stored) good = 1
                else if (word[1] == "metadata") good = holds[word[2]] == word[3]
                else if (word[1] == "database") good = word[2] == database
                else if (word[1] == "layers") good = word[2] == layers
                else good = unmoved(word[2], word[3])
                if (!good) return 0
            }
            return 1
        }
        BEGIN { state = ENVIRON["STATE"] }
        what == "store" { id[$2] = $1; next }
        what == "repositories" { holds[$2] = $3; next }
        what == "records" && $1 == "there" { there[$2] = 1; next }
        what == "records" { sub(/^\.\//, "", $2); sum[$2] = $1; next }
        {
            name = $2
            stamp = name "." $1 ".checked"
            own = stamped(stamp)
            good = own != "" && first_line(name ".id") == own && sum[name ".inputs"] == key &&
                sum[name ".spots"] == spots && result_is_of(name, own) && as_then()
            if (good && stored) good = id[prefix name ":" tag] == own && made_format == format && made_epoch == epoch
            seen[name] = 1
            if (good && !force) { now[name] = own; print "fresh " name " " own; next }
            print "drop " state "/" stamp
            if (first_line(name ".id") !~ /^[0-9a-f]+$/) print "drop " state "/" name ".id"
        }' what=store "$listing" what=repositories "$repositories" what=records <(list_records) what=graph "$1"
}

# list_records: print the names of all non-empty records, and the hashes of the larger ones.
list_records() {
    cd "$STATE" || return
    find . -maxdepth 1 -type f -readable -size +0 -printf 'there %f\n'
    find ../results/ -maxdepth 1 -type f -readable -size +0 -printf 'there results/%f\n'
    find . -maxdepth 1 -type f -readable \( -name '*.inputs' -o -name '*.spots' \) -print0 | xargs -r -0 sha256sum --
}
