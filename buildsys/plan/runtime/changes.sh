# For awk, part of lib/reason.sh: report which inputs changed, kind by kind. `add` of lib/comparison.sh collects the reports.

# shellcheck disable=SC2016,SC2034
REPORT_CHANGES='
    # ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    # If both builds copy the folder, its files are reported as changed, added, removed or renamed; other differences are reported
    # as changes of the recipe.
    function report_files(    i, key, other, mine, changed) {
        if (!known["was"]) return
        for (i = 1; i <= files["now"]; i++) {
            key = file["now", i]
            if (("was", key) in hash) {
                changed = hash["was", key] != hash["now", key] ||
                    (mode["was", key] != mode["now", key] && natural["was", key] != natural["now", key])
                mine = (owner["was", key] == owner["now", key] || owner["was", key] == "any" || owner["now", key] == "any") &&
                    (mode["was", key] == mode["now", key] || natural["was", key] != natural["now", key])
                if (!mine) recipe_file[key] = 1
                # The changed lines of the Containerfile itself are reported already.
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
            other = find_renamed(key)
            if (other != "") add("file renamed: ", path["was", key] " -> " path["now", other])
            else add("file removed: ", path["was", key])
        }
        for (i = 1; i <= fresh_count; i++) if (fresh[i] != "") add("file added: ", path["now", fresh[i]])
    }

    function find_renamed(key,    i, other) {
        for (i = 1; i <= fresh_count; i++) {
            other = fresh[i]
            if (other == "" || hash["was", key] == "" || hash["now", other] != hash["was", key]) continue
            if (of_group["now", other] != of_group["was", key]) continue
            fresh[i] = ""
            return other
        }
        return ""
    }

    function report_containerfile(    i) {
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

    function report_arguments(    i, key, old, new) {
        for (i = 1; i <= argument_count; i++) {
            key = arguments[i]
            old = ("was", key) in argument ? argument["was", key] : "none"
            new = ("now", key) in argument ? argument["now", key] : "none"
            if (old == new) continue
            if (caused_by_variable("now", argument_at["now", key])) continue
            add("argument changed: ", key " " old " -> " new \
                (("now", key) in argument ? " (" argument_at["now", key] ")" : ""))
        }
    }

    # ── the recipe, and the traits it uses ────────────────────────────────────────────────────────────────────────────

    function report_recipe(    i, n, m, which, text, at) {
        n = m = 0
        for (i = 1; i <= steps["was"]; i++) {
            text = comparable_text("was", step["was", i])
            if (text == "") continue
            a[++n] = text
            a_at[n] = step_at["was", i]
        }
        for (i = 1; i <= steps["now"]; i++) {
            text = comparable_text("now", step["now", i])
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
            # A moved line is reported at its current place.
            if (which == "was" && (a[change[i]] in in_b)) continue
            if (caused_by_variable(which, at)) continue
            if (other_site && at ~ /(^|\/)sites\/[^\/]*$/) continue
            report_place(which, at)
        }
    }

    # The text by which a step is compared; empty if report_files reports it.
    function comparable_text(which, text,    key) {
        if (text !~ /^context\t/) return text
        key = substr(text, 9)
        if ((which, key) in left_out) return ""
        if ((key in recipe_file) || !(("was", key) in hash) || !(("now", key) in hash)) return raw[which, key]
        return text
    }

    # Was this line changed by a new value of a variable?
    function caused_by_variable(which, at,    names, count_, i, found) {
        count_ = split(substr(uses[which, at], 2), names, "\t")
        for (i = 1; i <= count_; i++) if (has_new_value(names[i])) {
            found = 1
            add("variable changed: ", names[i] " " value["was", names[i]] " -> " value["now", names[i]] \
                " (" set_at["now", names[i]] ")")
        }
        return found
    }

    function has_new_value(name) {
        return (("was", name) in has) && (("now", name) in has) && value["was", name] != value["now", name]
    }

    function report_place(which, at,    gone, key, was_, now_, at_file) {
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

    # The path of a trait below its set, so that the place of the set does not matter.
    function trait_of(path_,    at) {
        path_ = "/" path_
        at = 0
        while (match(substr(path_, at + 1), "/traits/")) at += RSTART
        return at ? substr(path_, at + 8) : ""
    }

    function report_parent() {
        if (!other_parent || other_site || caused_by_variable("now", parent_place["now"])) return
        if (parent_kind["was"] == "base" && parent_kind["now"] == "base" && parent_name["was"] != "" &&
            parent_name["now"] != "") {
            if (!other_lock) add("parent changed: ", parent_name["was"] " -> " parent_name["now"])
        } else add("recipe changed: ", parent_place["now"])
    }

    # Report an added or removed overlay, unless a place in it is reported already.
    function report_overlays(    i) {
        if (site["was"] == "") return
        for (i = 1; i <= overlay_count["now"]; i++)
            if (!(("was", overlays["now", i]) in overlay) && !index(everything, overlays["now", i] ":"))
                add("overlay added: ", overlays["now", i])
        for (i = 1; i <= overlay_count["was"]; i++)
            if (!(("now", overlays["was", i]) in overlay) && !index(everything, overlays["was", i] ":"))
                add("overlay removed: ", overlays["was", i])
    }

    # ── packages, settings of the set and of the host ───────────────────────────────────────────────────────────────────

    function report_packages(    i, key, words, name, consequence) {
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
        # Removed packages come last.
        for (i = 1; i <= entry_count["package removed"]; i++) add("package ", entry["package removed", i])
    }

    # A changed source path is a change of the recipe.
    function report_payloads(    i, key) {
        for (i = 1; i <= payload_count; i++) {
            key = payloads[i]
            if (payload["was", key] != payload["now", key] && (!change_count ||
                ((("was", key) in has_payload) && (("now", key) in has_payload)))) add("file changed: ", key)
        }
    }

    function report_gems(    i) {
        for (i = 1; i <= gem_count; i++)
            if (gem["was", gems[i]] != gem["now", gems[i]] && (both("gem") || !change_count))
                add("gem changed: ", gems[i])
    }

    function report_settings(    whole) {
        if (!other_site && !other_lock) {
            # If a recipe requests packages for the first time, the recipe is what changed.
            if (both("installer") && differs("installer")) add("installer changed", "")
            if (both("repository") && (differs("repository") || differs("metadata")))
                add("repository changed (unlocked: any repository change rebuilds)", "")
        }
        if (differs("epoch")) add("epoch changed", "")
        if (differs("format")) add("format changed", "")
        if (differs("split")) add("split of layers changed", "")
        # Each installer has runtime files of its own.
        if (differs("runtime") && !other_site && !other_lock && !differs("installer") && !differs("split")) add("buildsys runtime changed", "")
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

    # A changed parent or copied-from image alone makes an image stale.
    function report_images(    i, words, there) {
        for (i = 1; i <= image_count["was"]; i++) there[images["was", i]] = 1
        for (i = 1; i <= image_count["now"]; i++) {
            if (images["now", i] in there) continue
            split(images["now", i], words, " ")
            add((words[2] == ENVIRON["PARENT_NAME"] ? "parent" : "copied-from image") " changed: ", words[2])
            return
        }
    }
'
