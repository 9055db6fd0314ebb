# For awk, part of lib/reason.sh: the difference of two lists of lines, and the order and the form of the reasons.

# shellcheck disable=SC2016,SC2034
COMPARE_LINES='
    # compare(n, m): the difference of a[1..n] and b[1..m]. Of replaced lines it keeps the new ones, and the old ones that have no
    # counterpart. Sets change (line numbers), change_side (was, now) and change_count; in_b has the lines of b as indices.
    function compare(n, m,    first, i, j, rows, columns, common, olds, news) {
        change_count = 0
        split("", in_b)
        split("", common)
        for (j = 1; j <= m; j++) in_b[b[j]] = 1
        for (first = 1; first <= n && first <= m && a[first] == b[first]; first++);
        while (n >= first && m >= first && a[n] == b[m]) { n--; m-- }
        rows = n - first + 1
        columns = m - first + 1
        # Longest common subsequence, computed from the end. For very many lines, only compare the sets of lines.
        if (rows * columns > 1000000) {
            split("", in_a)
            for (i = first; i <= n; i++) in_a[a[i]] = 1
            for (j = first; j <= m; j++) if (!(b[j] in in_a)) { change[++change_count] = j; change_side[change_count] = "now" }
            for (i = first; i <= n; i++) if (!(a[i] in in_b)) { change[++change_count] = i; change_side[change_count] = "was" }
            return
        }
        for (i = n; i >= first; i--) for (j = m; j >= first; j--)
            if (a[i] == b[j]) common[i, j] = common[i + 1, j + 1] + 1
            else common[i, j] = common[i + 1, j] > common[i, j + 1] ? common[i + 1, j] + 0 : common[i, j + 1] + 0
        i = olds = first
        j = news = first
        while (i <= n || j <= m) {
            if (i <= n && j <= m && a[i] == b[j]) {
                add_hunk(olds, i, news, j)
                olds = ++i
                news = ++j
            } else if (j > m || (i <= n && common[i + 1, j] + 0 >= common[i, j + 1] + 0)) i++
            else j++
        }
        add_hunk(olds, i, news, j)
    }

    # add_hunk: a[from..to-1] was replaced by b[start..end-1].
    function add_hunk(from, to, start, end,    i) {
        for (i = start; i < end; i++) { change[++change_count] = i; change_side[change_count] = "now" }
        for (i = from + end - start; i < to; i++) { change[++change_count] = i; change_side[change_count] = "was" }
    }

    function add(kind, what) {
        reported_any = 1
        if ((kind, what) in reported) return
        reported[kind, what] = 1
        entry[kind, ++entry_count[kind]] = what
        everything = everything " " what
    }

    function print_changes(most,    i, n, order, text) {
        n = split("site changed: |lock changed: |package |gem changed: |variable changed: |argument changed: |" \
            "file changed: |file added: |file removed: |file renamed: |recipe changed: |trait changed: |parent changed: |" \
            "copied-from image changed: |overlay added: |overlay removed: |installer changed|" \
            "repository changed (unlocked: any repository change rebuilds)|epoch changed|format changed|split of layers changed|" \
            "buildsys runtime changed|platform changed|driver changed|" \
            "buildah of this host changed: it packs layers in another way|" \
            "rpm of this host changed: it writes the package database|image missing from the store", order, "|")
        for (i = 1; i <= n; i++) if (entry_count[order[i]]) {
            text = text (text == "" ? "" : "; ") order[i] list_entries(order[i], most)
        }
        printf "%s", text
    }

    function list_entries(kind, most,    i, text) {
        for (i = 1; i <= entry_count[kind] && (!most || i <= most); i++) text = text (i > 1 ? ", " : "") entry[kind, i]
        return text (most && entry_count[kind] > most ? " and " entry_count[kind] - most " more" : "")
    }
'
