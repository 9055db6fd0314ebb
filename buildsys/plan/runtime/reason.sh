# Why an image is stale, in words: compares the current inputs with those of the last build, and finds where each was written.
# It decides nothing: lib/freshness.sh calls it after its decision.
#
# keys/NAME and the output of `print_spots` correspond line by line; so do state/NAME.inputs and state/NAME.spots of the last build.

# shellcheck source=/dev/null
. "$LIB/changes.sh"
# shellcheck source=/dev/null
. "$LIB/comparison.sh"

# print_spots: print where the inputs of this image were written: its part of the plan's file `spots`.
print_spots() {
    awk -v image="image\t$IMAGE" 'here && /^image\t/ { exit } here; $0 == image { here = 1 }' "$PLAN/spots"
}

# explain_staleness: print every kind of input that changed, packages first. Two lines: the first three entries of each kind,
# then all entries.
explain_staleness() {
    local last=$STATE/$IMAGE.inputs places=$STATE/$IMAGE.spots key=''
    [[ ! -s $STATE/$IMAGE.keys ]] || key=$(tail -n 1 "$STATE/$IMAGE.keys")
    if [[ -n $key && (! -f $last || $(sha256sum <"$last") != "$key "*) ]]; then
        printf 'the inputs of its last build are lost'
        return
    elif [[ ! -s $last ]]; then
        printf 'never built here'
        return
    fi
    [[ -s $places ]] || places=/dev/null
    RECIPE=$RECIPE PARENT_NAME=${BASE:-$FROM} CONTAINERFILE=${CONTAINERFILE-} awk -F '\t' "$REASON_PROGRAM" \
        side=was part=inputs "$last" side=now <(printf '%s\n' "$INPUTS") \
        side=was part=places "$places" side=now <(print_spots)
}

# Both sides of a comparison have the index was or now. The reasons stand in entry, by kind.
# shellcheck disable=SC2016
READ_INPUTS='
    # An instruction of the key: its place has the same number.
    part == "inputs" && /^do / { line[side, ++count[side]] = $0; next }
    part == "inputs" { read_input($0); next }
    FNR <= count[side] { place[side, FNR] = $0; known[side] = 1; next }
    { known[side] = 1; read_place() }
    END { report_all() }

    function read_input(text,    words) {
        split(text, words, " ")
        if (words[1] == "package") {
            read_package(words)
            return
        }
        if (words[1] == "image") {
            images[side, ++image_count[side]] = text
            return
        }
        # Inputs of one kind are compared as a whole.
        inputs[side, words[1]] = inputs[side, words[1]] text "\n"
        if (words[1] == "gem" && !(("gem", words[2]) in seen)) {
            seen["gem", words[2]] = 1
            gems[++gem_count] = words[2]
        }
        gem[side, words[2]] = words[3]
        if (words[1] == "payload") read_payload(text, words)
    }

    function read_payload(text, words,    key) {
        key = text
        sub(/^payload [^ ]+ [^ ]+ /, "", key)
        key = key " of package " words[2]
        if (!(("payload", key) in seen)) {
            seen["payload", key] = 1
            payloads[++payload_count] = key
        }
        payload[side, key] = words[3]
        has_payload[side, key] = 1
    }

    function read_package(words,    key) {
        key = words[2] " " words[4]
        if (!(("package", key) in seen)) {
            seen["package", key] = 1
            packages[++package_count] = key
            arches[words[2]]++
        }
        if ((side, key) in checksum) words[3] = version[side, key] ", " words[3]
        version[side, key] = words[3]
        checksum[side, key] = checksum[side, key] " " words[6]
    }

    function read_place() {
        if ($1 == "from") { parent_place[side] = $2; parent_kind[side] = $3; parent_name[side] = $4 }
        else if ($1 == "trait") trait[side, trait_of($3)] = $2
        else if ($1 == "uses") { for (field = 3; field <= NF; field++) uses[side, $2] = uses[side, $2] "\t" $field }
        else if ($1 == "variable") { value[side, $2] = $3; set_at[side, $2] = $4; has[side, $2] = 1 }
        else if ($1 == "site") { site[side] = $2; site_at[side] = $3 }
        else if ($1 == "lock") lock[side] = $2
        else if ($1 == "overlay") { overlay[side, $2] = 1; overlays[side, ++overlay_count[side]] = $2 }
    }

    function report_all() {
        other_site = site["was"] != "" && site["was"] != site["now"]
        if (other_site) add("site changed: ", site["was"] " -> " site["now"] " (" site_at["now"] ")")
        # Without a lock, the repositories themselves are inputs.
        other_lock = !other_site && both("installer") && (("was", "repository") in inputs) != (("now", "repository") in inputs)
        if (other_lock) add("lock changed: ", lock_name("was") " -> " lock_name("now"))
        other_parent = parent_kind["was"] " " parent_name["was"] != parent_kind["now"] " " parent_name["now"] &&
            known["was"]
        # The recipe comes before packages: a package that the recipe newly requests is not reported again.
        read_instructions("was")
        read_instructions("now")
        report_containerfile()
        report_files()
        report_arguments()
        report_recipe()
        report_parent()
        report_overlays()
        if (!other_site && !other_lock) report_packages()
        report_payloads()
        report_gems()
        report_settings()
        if (!reported_any) report_images()
        if (!reported_any) add("image missing from the store", "")
        print_changes(3)
        printf "\n"
        print_changes(0)
    }

    function lock_name(which) {
        if (lock[which] != "") return lock[which]
        return (which, "repository") in inputs ? "none" : "a lock"
    }

    # ── the instructions, by kind ──────────────────────────────────────────────────────────────────────

    function read_instructions(which,    i, j, columns, parts, words, kinds, text, key, group) {
        for (i = 1; i <= count[which]; i++) {
            columns = split(place[which, i], parts, "\t")
            kinds = split(line[which, i], words, " ")
            text = line[which, i]
            gsub("\t", " ", text)
            # A changed installer is reported separately.
            sub(/^do (dnf|yum|rpm|apt)_/, "do ", text)
            if (words[2] ~ /^(context|folders|same|attributes)$/) {
                # A file, an empty folder, a hard link or the attributes of a file, within a copied folder.
                group = parts[4] "\t" parts[5]
                key = parts[3] "\t" group (words[2] == "attributes" ? "\tattributes" : "")
                file[which, ++files[which]] = key
                hash[which, key] = words[2] == "context" ? words[5] : text
                mode[which, key] = words[2] == "context" ? words[3] : ""
                owner[which, key] = words[2] == "context" ? words[4] : "any"
                if (words[2] == "folders") { hash[which, key] = "folder"; owner[which, key] = words[3] }
                natural[which, key] = parts[2]
                spot[which, key] = parts[1]
                raw[which, key] = text
                path[which, key] = parts[3]
                of_group[which, key] = group
                if (columns > 4) groups[which, group] = 1
                add_step(which, "context\t" key, parts[1])
            } else if (words[2] == "containerfile" && words[3] ~ /^[A-Z]/) {
                container[which, ++containers[which]] = text
                container_at[which, containers[which]] = parts[1]
            } else if (words[2] == "configure" && words[3] == "--build-arg") {
                sub(/^do configure --build-arg /, "", text)
                # It has shell quotes where it needs them.
                if (text ~ /^\047[^\047]*\047$/) text = substr(text, 2, length(text) - 2)
                key = text
                sub(/=.*/, "", key)
                sub(/^[^=]*=/, "", text)
                argument[which, key] = text
                argument_at[which, key] = parts[1]
                if (!(("argument", key) in seen)) { seen["argument", key] = 1; arguments[++argument_count] = key }
            } else if (words[2] ~ /^(dnf|yum|rpm|apt)_(bootstrap|install|transaction|update)$/) {
                if (columns < 2) add_step(which, "packages", parts[1])
                for (j = 2; j <= columns; j++) {
                    add_step(which, "packages " words[j + 1], parts[j])
                    asked[which, words[j + 1]] = 1
                    asked_names[++asked_count] = words[j + 1]
                }
            } else if (columns > 1) {
                for (j = 2; j <= columns; j++) add_step(which, "do " words[2] " " words[j + 1], parts[j])
            } else if (other_lock && words[2] ~ /^(download|pooled)$/) {
                add_step(which, "download " words[kinds], parts[1])
            } else add_step(which, text trait_suffix(parts[1]), parts[1])
        }
    }

    function add_step(which, text, at) {
        step[which, ++steps[which]] = text
        step_at[which, steps[which]] = at
    }

    function trait_suffix(at) { return match(at, "/traits/[^:]*") ? " " substr(at, RSTART, RLENGTH) : "" }
'

REASON_PROGRAM=$READ_INPUTS$REPORT_CHANGES$COMPARE_LINES
