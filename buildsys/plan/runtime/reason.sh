# Why an image is stale, in words: the inputs of now against those of the last build, and where each was written.
# Decides nothing: lib/freshness.sh asks when it has decided.
#
# keys/NAME and what `spots` says go line by line; state/NAME.inputs and state/NAME.spots are the same of the last build.

# spots: where the inputs of this image were written; of the plan's own file the part that is about it.
spots() {
    awk -v image="image\t$IMAGE" 'here && /^image\t/ { exit } here; $0 == image { here = 1 }' "$PLAN/spots"
}

# why_stale: every kind of input that is another, packages first. Two lines: of each kind the first three, and all.
why_stale() {
    local last=$STATE/$IMAGE.inputs places=$STATE/$IMAGE.spots key=''
    [[ ! -s $STATE/$IMAGE.keys ]] || key=$(tail -n 1 "$STATE/$IMAGE.keys")
    if [[ -n $key && (! -f $last || $(sha256sum <"$last") != "$key "*) ]]; then
        printf 'what it was built from last is not known any more'
        return
    elif [[ ! -s $last ]]; then
        printf 'never built here'
        return
    fi
    [[ -s $places ]] || places=/dev/null
    RECIPE=$RECIPE PARENT_NAME=${BASE:-$FROM} CONTAINERFILE=${CONTAINERFILE-} awk -F '\t' "$REASON_PROGRAM" \
        side=was part=inputs "$last" side=now <(printf '%s\n' "$INPUTS") \
        side=was part=places "$places" side=now <(spots)
}

# The program keeps each side of a thing under was and now; what it has to say, by kind, in said.
# shellcheck disable=SC2016
REASON_PROGRAM='
    # An instruction of the key: the places come in the same order.
    part == "inputs" && /^do / { line[side, ++count[side]] = $0; next }
    part == "inputs" { take_input($0); next }
    FNR <= count[side] { place[side, FNR] = $0; known[side] = 1; next }
    { known[side] = 1; take_place() }
    END { tell() }

    function take_input(text,    words) {
        split(text, words, " ")
        if (words[1] == "package") {
            take_package(words)
            return
        }
        if (words[1] == "image") {
            images[side, ++image_count[side]] = text
            return
        }
        # What is of one kind is compared as a whole; the build that is cut short knows nothing of the host.
        inputs[side, words[1]] = inputs[side, words[1]] text "\n"
        if (words[1] == "gem" && !(("gem", words[2]) in seen)) {
            seen["gem", words[2]] = 1
            gems[++gem_count] = words[2]
        }
        gem[side, words[2]] = words[3]
        if (words[1] == "payload") take_payload(text, words)
    }

    function take_payload(text, words,    key) {
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

    function take_package(words,    key) {
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

    function take_place() {
        if ($1 == "from") { parent_place[side] = $2; parent_kind[side] = $3; parent_name[side] = $4 }
        else if ($1 == "trait") trait[side, trait_of($3)] = $2
        else if ($1 == "uses") { for (field = 3; field <= NF; field++) uses[side, $2] = uses[side, $2] "\t" $field }
        else if ($1 == "variable") { value[side, $2] = $3; set_at[side, $2] = $4; has[side, $2] = 1 }
        else if ($1 == "site") { site[side] = $2; site_at[side] = $3 }
        else if ($1 == "lock") lock[side] = $2
        else if ($1 == "overlay") { overlay[side, $2] = 1; overlays[side, ++overlay_count[side]] = $2 }
    }

    function tell() {
        other_site = site["was"] != "" && site["was"] != site["now"]
        if (other_site) add("site changed: ", site["was"] " -> " site["now"] " (" site_at["now"] ")")
        # Without a lock the repositories themselves are inputs.
        other_lock = !other_site && both("installer") && (("was", "repository") in inputs) != (("now", "repository") in inputs)
        if (other_lock) add("lock changed: ", lock_name("was") " -> " lock_name("now"))
        other_parent = parent_kind["was"] " " parent_name["was"] != parent_kind["now"] " " parent_name["now"] &&
            known["was"]
        # The recipe comes first: packages that it asks for now are no news.
        arrange("was")
        arrange("now")
        tell_containerfile()
        tell_files()
        tell_arguments()
        tell_recipe()
        tell_parent()
        tell_overlays()
        if (!other_site && !other_lock) tell_packages()
        tell_payloads()
        tell_gems()
        tell_rest()
        if (!told_any) tell_images()
        if (!told_any) add("image missing from the store", "")
        print_all(3)
        printf "\n"
        print_all(0)
    }

    function lock_name(which) {
        if (lock[which] != "") return lock[which]
        return (which, "repository") in inputs ? "none" : "a lock"
    }

    # ── the instructions, apart by what they are ──────────────────────────────────────────────────────────────────────

    function arrange(which,    i, j, columns, parts, words, kinds, text, key, group) {
        for (i = 1; i <= count[which]; i++) {
            columns = split(place[which, i], parts, "\t")
            kinds = split(line[which, i], words, " ")
            text = line[which, i]
            gsub("\t", " ", text)
            # The installer has a reason of its own.
            sub(/^do (dnf|yum|rpm|apt)_/, "do ", text)
            if (words[2] ~ /^(context|folders|same|attributes)$/) {
                # A file, an empty folder, a hard link, or what a file has besides, of what is copied as a whole.
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
                push(which, "context\t" key, parts[1])
            } else if (words[2] == "containerfile" && words[3] ~ /^[A-Z]/) {
                container[which, ++containers[which]] = text
                container_at[which, containers[which]] = parts[1]
            } else if (words[2] == "configure" && words[3] == "--build-arg") {
                sub(/^do configure --build-arg /, "", text)
                # Quoted as for a shell where it has to be.
                if (text ~ /^\047[^\047]*\047$/) text = substr(text, 2, length(text) - 2)
                key = text
                sub(/=.*/, "", key)
                sub(/^[^=]*=/, "", text)
                argument[which, key] = text
                argument_at[which, key] = parts[1]
                if (!(("argument", key) in seen)) { seen["argument", key] = 1; arguments[++argument_count] = key }
            } else if (words[2] ~ /^(dnf|yum|rpm|apt)_(bootstrap|install|transaction|update)$/) {
                if (columns < 2) push(which, "packages", parts[1])
                for (j = 2; j <= columns; j++) {
                    push(which, "packages " words[j + 1], parts[j])
                    asked[which, words[j + 1]] = 1
                    asked_names[++asked_count] = words[j + 1]
                }
            } else if (columns > 1) {
                for (j = 2; j <= columns; j++) push(which, "do " words[2] " " words[j + 1], parts[j])
            } else if (other_lock && words[2] ~ /^(download|pooled)$/) {
                push(which, "download " words[kinds], parts[1])
            } else push(which, text trait_mark(parts[1]), parts[1])
        }
    }

    function push(which, text, at) {
        step[which, ++steps[which]] = text
        step_at[which, steps[which]] = at
    }

    function trait_mark(at) { return match(at, "/traits/[^:]*") ? " " substr(at, RSTART, RLENGTH) : "" }

    # ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    # A file of a folder that both copy is changed, new, gone or renamed; all else about it is the doing of the recipe.
    function tell_files(    i, key, other, mine, changed) {
        if (!known["was"]) return
        for (i = 1; i <= files["now"]; i++) {
            key = file["now", i]
            if (("was", key) in hash) {
                changed = hash["was", key] != hash["now", key] ||
                    (mode["was", key] != mode["now", key] && natural["was", key] != natural["now", key])
                mine = (owner["was", key] == owner["now", key] || owner["was", key] == "any" || owner["now", key] == "any") &&
                    (mode["was", key] == mode["now", key] || natural["was", key] != natural["now", key])
                if (!mine) recipe_file[key] = 1
                # Of the Containerfile itself the lines are named already.
                if (changed && !(added_places && path["now", key] == ENVIRON["CONTAINERFILE"]))
                    add("file changed: ", path["now", key])
            } else if (("was", of_group["now", key]) in groups) {
                fresh[++fresh_count] = key
                left_out["now", key] = 1
            }
        }
        for (i = 1; i <= files["was"]; i++) {
            key = file["was", i]
            if ((("now", key) in hash) || !(("now", of_group["was", key]) in groups)) continue
            left_out["was", key] = 1
            other = renamed(key)
            if (other != "") add("file renamed: ", path["was", key] " -> " path["now", other])
            else add("file removed: ", path["was", key])
        }
        for (i = 1; i <= fresh_count; i++) if (fresh[i] != "") add("file added: ", path["now", fresh[i]])
    }

    function renamed(key,    i, other) {
        for (i = 1; i <= fresh_count; i++) {
            other = fresh[i]
            if (other == "" || hash["was", key] == "" || hash["now", other] != hash["was", key]) continue
            if (of_group["now", other] != of_group["was", key]) continue
            fresh[i] = ""
            return other
        }
        return ""
    }

    function tell_containerfile(    i) {
        for (i = 1; i <= containers["was"]; i++) a[i] = container["was", i]
        for (i = 1; i <= containers["now"]; i++) b[i] = container["now", i]
        compare(containers["was"] + 0, containers["now"] + 0)
        for (i = 1; i <= change_count; i++) if (change_side[i] == "now") add_place(container_at["now", change[i]])
        if (change_count && !added_places && ENVIRON["CONTAINERFILE"] != "") add("file changed: ", ENVIRON["CONTAINERFILE"])
    }

    function add_place(at) {
        added_places = 1
        add("file changed: ", at)
    }

    function tell_arguments(    i, key, old, new) {
        for (i = 1; i <= argument_count; i++) {
            key = arguments[i]
            old = ("was", key) in argument ? argument["was", key] : "none"
            new = ("now", key) in argument ? argument["now", key] : "none"
            if (old == new) continue
            if (by_variable("now", argument_at["now", key])) continue
            add("argument changed: ", key " " old " -> " new \
                (("now", key) in argument ? " (" argument_at["now", key] ")" : ""))
        }
    }

    # ── the recipe, and the traits it uses ────────────────────────────────────────────────────────────────────────────

    function tell_recipe(    i, n, m, which, text, at) {
        n = m = 0
        for (i = 1; i <= steps["was"]; i++) {
            text = settled("was", step["was", i])
            if (text == "") continue
            a[++n] = text
            a_at[n] = step_at["was", i]
        }
        for (i = 1; i <= steps["now"]; i++) {
            text = settled("now", step["now", i])
            if (text == "") continue
            b[++m] = text
            b_at[m] = step_at["now", i]
        }
        compare(n, m)
        if (!known["was"]) {
            if (change_count) add("recipe changed: ", ENVIRON["RECIPE"])
            return
        }
        for (i = 1; i <= change_count; i++) {
            which = change_side[i]
            at = which == "now" ? b_at[change[i]] : a_at[change[i]]
            # A line that only moved is named where it is now.
            if (which == "was" && (a[change[i]] in in_b)) continue
            if (by_variable(which, at)) continue
            if (other_site && at ~ /(^|\/)sites\/[^\/]*$/) continue
            tell_place(which, at)
        }
    }

    # The text of a step as it is compared; empty: tell_files has dealt with it.
    function settled(which, text,    key) {
        if (text !~ /^context\t/) return text
        key = substr(text, 9)
        if ((which, key) in left_out) return ""
        if ((key in recipe_file) || !(("was", key) in hash) || !(("now", key) in hash)) return raw[which, key]
        return text
    }

    # Is it another because a variable has another value?
    function by_variable(which, at,    names, count_, i, found) {
        count_ = split(substr(uses[which, at], 2), names, "\t")
        for (i = 1; i <= count_; i++) if (other_value(names[i])) {
            found = 1
            add("variable changed: ", names[i] " " value["was", names[i]] " -> " value["now", names[i]] \
                " (" set_at["now", names[i]] ")")
        }
        return found
    }

    function other_value(name) {
        return (("was", name) in has) && (("now", name) in has) && value["was", name] != value["now", name]
    }

    function tell_place(which, at,    gone, key, was_, now_, at_file) {
        if (at == "" || at == "<buildsys>:0:0") at = ENVIRON["RECIPE"]
        gone = which == "now" ? "" : "gone from "
        key = trait_of(at)
        sub(/:[0-9]+:[0-9]+$/, "", key)
        was_ = trait["was", key]
        now_ = trait["now", key]
        if (key == "" || (was_ == "" && now_ == "")) add("recipe changed: ", gone at)
        else {
            at_file = at
            sub(/:[0-9]+:[0-9]+$/, "", at_file)
            if (was_ == "") add("recipe changed: ", "it uses " at_file)
            else if (now_ == "") add("recipe changed: ", "it no longer uses " at_file)
            else if (was_ == now_) add("recipe changed: ", "it uses " at_file " in another way")
            else add("trait changed: ", gone at)
        }
    }

    # The path of a trait below its set: where the set lies does not matter.
    function trait_of(path_,    at) {
        path_ = "/" path_
        at = 0
        while (match(substr(path_, at + 1), "/traits/")) at += RSTART
        return at ? substr(path_, at + 8) : ""
    }

    function tell_parent() {
        if (!other_parent || other_site || by_variable("now", parent_place["now"])) return
        if (parent_kind["was"] == "base" && parent_kind["now"] == "base" && parent_name["was"] != "" &&
            parent_name["now"] != "") {
            if (!other_lock) add("parent changed: ", parent_name["was"] " -> " parent_name["now"])
        } else add("recipe changed: ", parent_place["now"])
    }

    # An overlay that has come or gone is named, unless a place in it is.
    function tell_overlays(    i) {
        if (site["was"] == "") return
        for (i = 1; i <= overlay_count["now"]; i++)
            if (!(("was", overlays["now", i]) in overlay) && !index(everything, overlays["now", i] ":"))
                add("overlay added: ", overlays["now", i])
        for (i = 1; i <= overlay_count["was"]; i++)
            if (!(("now", overlays["was", i]) in overlay) && !index(everything, overlays["was", i] ":"))
                add("overlay removed: ", overlays["was", i])
    }

    # ── packages, and what the set and the host say ───────────────────────────────────────────────────────────────────

    function tell_packages(    i, key, words, name, consequence) {
        for (i = 1; i <= asked_count; i++)
            if ((("was", asked_names[i]) in asked) != (("now", asked_names[i]) in asked)) consequence = 1
        if (other_parent) consequence = 1
        for (i = 1; i <= package_count; i++) {
            key = packages[i]
            split(key, words, " ")
            name = arches[words[1]] > 1 ? words[1] "." words[2] : words[1]
            if (!(("now", key) in version)) {
                if (!consequence) add("package removed", name " " version["was", key] " removed")
            } else if (!(("was", key) in version)) {
                if (!consequence) add("package ", name " " version["now", key] " added")
            } else if (version["was", key] != version["now", key])
                add("package ", name " " version["was", key] " -> " version["now", key])
            else if (checksum["was", key] != checksum["now", key])
                add("package ", name " " version["now", key] " rebuilt")
        }
        # Those that are gone come last.
        for (i = 1; i <= said_count["package removed"]; i++) add("package ", said["package removed", i])
    }

    # Another path to copy from is the doing of the recipe.
    function tell_payloads(    i, key) {
        for (i = 1; i <= payload_count; i++) {
            key = payloads[i]
            if (payload["was", key] != payload["now", key] && (!change_count ||
                ((("was", key) in has_payload) && (("now", key) in has_payload)))) add("file changed: ", key)
        }
    }

    function tell_gems(    i) {
        for (i = 1; i <= gem_count; i++)
            if (gem["was", gems[i]] != gem["now", gems[i]] && (both("gem") || !change_count))
                add("gem changed: ", gems[i])
    }

    function tell_rest(    whole) {
        if (!other_site && !other_lock) {
            # Where a recipe asks for packages for the first time, it is what changed.
            if (both("installer") && differs("installer")) add("installer changed", "")
            if (both("repository") && (differs("repository") || differs("metadata")))
                add("repository changed (unlocked: any repository change rebuilds)", "")
        }
        if (differs("epoch")) add("epoch changed", "")
        if (differs("format")) add("format changed", "")
        # Another installer has other files there.
        if (differs("runtime") && !other_site && !other_lock && !differs("installer")) add("buildsys runtime changed", "")
        whole = (("was", "platform") in inputs) && (("was", "driver") in inputs) && (("was", "layers") in inputs)
        if (!whole) return
        if (differs("platform")) add("platform changed", "")
        if (differs("driver")) add("driver changed", "")
        if (differs("layers")) add("buildah of this host changed: it packs layers in another way", "")
        if (both("database") && differs("database"))
            add("rpm of this host changed: it writes the package database", "")
    }

    function both(kind) { return (("was", kind) in inputs) && (("now", kind) in inputs) }

    function differs(kind) { return inputs["was", kind] != inputs["now", kind] }

    # What is made from another image, or copies from one, is built again for that alone.
    function tell_images(    i, words, there) {
        for (i = 1; i <= image_count["was"]; i++) there[images["was", i]] = 1
        for (i = 1; i <= image_count["now"]; i++) {
            if (images["now", i] in there) continue
            split(images["now", i], words, " ")
            add((words[2] == ENVIRON["PARENT_NAME"] ? "parent" : "copied-from image") " changed: ", words[2])
            return
        }
    }

    # ── comparing, and the words ──────────────────────────────────────────────────────────────────────────────────────

    # compare N M: what a[1..N] has become in b[1..M], as diff has it: of lines that were replaced the new ones, and the
    # old ones that nothing stands for. Sets change, change_side and change_count; in_b holds the lines of b.
    function compare(n, m,    first, i, j, rows, columns, long, olds, news) {
        change_count = 0
        split("", in_b)
        split("", long)
        for (j = 1; j <= m; j++) in_b[b[j]] = 1
        for (first = 1; first <= n && first <= m && a[first] == b[first]; first++);
        while (n >= first && m >= first && a[n] == b[m]) { n--; m-- }
        rows = n - first + 1
        columns = m - first + 1
        # The longest common part, from behind. Of very many lines each is looked for by itself.
        if (rows * columns > 1000000) {
            split("", in_a)
            for (i = first; i <= n; i++) in_a[a[i]] = 1
            for (j = first; j <= m; j++) if (!(b[j] in in_a)) { change[++change_count] = j; change_side[change_count] = "now" }
            for (i = first; i <= n; i++) if (!(a[i] in in_b)) { change[++change_count] = i; change_side[change_count] = "was" }
            return
        }
        for (i = n; i >= first; i--) for (j = m; j >= first; j--)
            if (a[i] == b[j]) long[i, j] = long[i + 1, j + 1] + 1
            else long[i, j] = long[i + 1, j] > long[i, j + 1] ? long[i + 1, j] + 0 : long[i, j + 1] + 0
        i = olds = first
        j = news = first
        while (i <= n || j <= m) {
            if (i <= n && j <= m && a[i] == b[j]) {
                hunk(olds, i, news, j)
                olds = ++i
                news = ++j
            } else if (j > m || (i <= n && long[i + 1, j] + 0 >= long[i, j + 1] + 0)) i++
            else j++
        }
        hunk(olds, i, news, j)
    }

    # hunk: a[from..to-1] has become b[start..end-1].
    function hunk(from, to, start, end,    i) {
        for (i = start; i < end; i++) { change[++change_count] = i; change_side[change_count] = "now" }
        for (i = from + end - start; i < to; i++) { change[++change_count] = i; change_side[change_count] = "was" }
    }

    function add(kind, what) {
        told_any = 1
        if ((kind, what) in told) return
        told[kind, what] = 1
        said[kind, ++said_count[kind]] = what
        everything = everything " " what
    }

    function print_all(most,    i, n, order, text) {
        n = split("site changed: |lock changed: |package |gem changed: |variable changed: |argument changed: |" \
            "file changed: |file added: |file removed: |file renamed: |recipe changed: |trait changed: |parent changed: |" \
            "copied-from image changed: |overlay added: |overlay removed: |installer changed|" \
            "repository changed (unlocked: any repository change rebuilds)|epoch changed|format changed|" \
            "buildsys runtime changed|platform changed|driver changed|" \
            "buildah of this host changed: it packs layers in another way|" \
            "rpm of this host changed: it writes the package database|image missing from the store", order, "|")
        for (i = 1; i <= n; i++) if (said_count[order[i]]) {
            text = text (text == "" ? "" : "; ") order[i] few(order[i], most)
        }
        printf "%s", text
    }

    function few(kind, most,    i, text) {
        for (i = 1; i <= said_count[kind] && (!most || i <= most); i++) text = text (i > 1 ? ", " : "") said[kind, i]
        return text (most && said_count[kind] > most ? " and " said_count[kind] - most " more" : "")
    }
'
