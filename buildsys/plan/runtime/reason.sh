# Why an image is stale, in words: the inputs of now beside those of the last build, and where each was written.
# Decides nothing: lib/freshness.sh asks when it has decided.
#
# keys/NAME and what `spots` says go line by line; state/NAME.inputs and state/NAME.spots are the same of the last build.

# spots: where the inputs of this image were written; of the plan's own file the part that is about it.
spots() {
    awk -v image="image\t$IMAGE" 'here && /^image\t/ { exit } here; $0 == image { here = 1 }' "$PLAN/spots"
}

# why_stale: the first input that is another, as a sentence.
why_stale() {
    local last=$STATE/$IMAGE.inputs changed first key=''
    [[ ! -s $STATE/$IMAGE.keys ]] || key=$(tail -n 1 "$STATE/$IMAGE.keys")
    if [[ -n $key && (! -f $last || $(sha256sum <"$last") != "$key "*) ]]; then
        printf 'what it was built from last is not known any more'
        return
    elif [[ ! -s $last ]]; then
        printf 'never built here'
        return
    fi
    if why_parent; then return; fi
    changed=$(diff --changed-group-format='%<%>' --unchanged-group-format='' \
        "$last" <(printf '%s\n' "$INPUTS")) || :
    read -r first _ <<<"$changed"
    case $first in
        '') printf 'image missing from the store' ;;
        image)
            first=${changed#image }
            first=${first%% *}
            if [[ $first == "${BASE:-$FROM}" ]]; then
                printf 'parent changed: %s' "$first"
            else
                printf 'copied-from image changed: %s' "$first"
            fi ;;
        repository | metadata) printf 'repository changed (unlocked: any repository change rebuilds)' ;;
        runtime) printf 'buildsys runtime changed' ;;
        package) why_packages "$last" ;;
        payload) printf 'file changed: %s' "$(sed -n 's/^payload \([^ ]*\) [^ ]* \(.*\)/\2 of package \1/p' <<<"$changed" | awk '!told[$0]++' | few)" ;;
        gem) printf 'gem changed: %s' "$(cut -d' ' -f2 <<<"${changed%%$'\n'*}")" ;;
        database) printf 'rpm of this host changed: it writes the package database' ;;
        layers) printf 'buildah of this host changed: it packs layers in another way' ;;
        platform | driver | format | epoch | installer) printf '%s changed' "$first" ;;
        do) why_containerfile || why_file || why_recipe ;;
        *) printf 'recipe changed: %s' "$RECIPE" ;;
    esac
}

# why_parent: is the parent another image, whatever its content? The recipe says so, or the site.
why_parent() {
    local spot was_kind was now_kind now
    [[ -s $STATE/$IMAGE.spots ]] || return
    IFS=$'\t' read -r _ _ was_kind was < <(grep ^from$'\t' "$STATE/$IMAGE.spots")
    IFS=$'\t' read -r _ spot now_kind now < <(spots | grep ^from$'\t')
    [[ "$was_kind $was" != "$now_kind $now" ]] || return
    if [[ $was_kind$now_kind == basebase && -n $was && -n $now ]]; then
        printf 'parent changed: %s -> %s' "$was" "$now"
    else
        printf 'recipe changed: %s' "$spot"
    fi
}

# instructions INPUTS PLACES: a line each: what it says, and which trait says it, a tab, where it was written. A list of
# packages is taken apart; a file of the set has its mode and its path behind its place.
instructions() {
    awk -v places="$2" '
        $1 != "do" { exit }
        {
            place = ""
            getline place <places
            count = split(place, at, "\t")
            gsub("\t", " ")
            trait = match(at[1], "/traits/[^:]*") ? " " substr(at[1], RSTART, RLENGTH) : ""
            if (count < 2 || $2 == "context") print $0 trait "\t" place
            else for (i = 2; i <= count; i++) print "do " $2 " " $(i + 1) "\t" at[i]
        }' "$1"
}

# why_containerfile: which lines of the Containerfile say something else? Fails when none does.
why_containerfile() {
    local lines
    lines=$(diff --changed-group-format='%>' --unchanged-group-format='' \
        <(containerfile_lines "$STATE/$IMAGE.inputs") <(containerfile_lines "$PLAN/keys/$IMAGE"))
    if [[ -z $lines ]]; then
        [[ -n ${CONTAINERFILE-} && $(containerfile_lines "$STATE/$IMAGE.inputs") != \
            "$(containerfile_lines "$PLAN/keys/$IMAGE")" ]] || return
        # Lines are gone, none is new.
        printf 'file changed: %s' "$CONTAINERFILE"
        return
    fi
    printf 'file changed: %s' "$(instructions "$PLAN/keys/$IMAGE" <(spots) |
        LINES_SAID=$lines awk -F '\t' '
            BEGIN { count = split(ENVIRON["LINES_SAID"], said, "\n"); for (i = 1; i <= count; i++) new[said[i]] = 1 }
            $1 in new && !told[$2]++ { print $2 }' | few)"
}

# containerfile_lines INPUTS: what they hold of the instructions of a Containerfile.
containerfile_lines() { grep '^do containerfile [A-Z]' "$1" || :; }

# why_file: is a file of the set another under its old path? Fails when none is.
why_file() {
    local files
    files=$(awk -F '\t' '
        { split($1, said, " "); to = $1; sub(/^do context [^ ]+ [^ ]+ [^ ]+ /, "", to) }
        said[2] != "context" { next }
        FNR == NR { hash[$4, to] = said[5]; mode[$4, to] = said[3] " " $3; next }
        !(($4, to) in hash) { next }
        # The mode is of the file itself, not of the recipe, when that of the file is another too.
        hash[$4, to] != said[5] || mode[$4, to] != said[3] " " $3 && split(mode[$4, to], m, " ") && m[2] != $3 {
            if (!told[$4]++) print $4
        }' <(instructions "$STATE/$IMAGE.inputs" "$STATE/$IMAGE.spots") \
        <(instructions "$PLAN/keys/$IMAGE" <(spots)))
    [[ -n $files ]] || return
    printf 'file changed: %s' "$(few <<<"$files")"
}

# why_recipe: which lines of the recipe say something else, or which lines of a trait it uses.
why_recipe() {
    local was now change first count side i reason places=() kinds=()
    if [[ ! -s $STATE/$IMAGE.spots ]]; then
        printf 'recipe changed: %s' "$RECIPE"
        return
    fi
    mapfile -t was < <(instructions "$STATE/$IMAGE.inputs" "$STATE/$IMAGE.spots")
    mapfile -t now < <(instructions "$PLAN/keys/$IMAGE" <(spots))
    while IFS= read -r change; do
        [[ $change =~ ^([0-9]+)(,([0-9]+))?([acd])([0-9]+)(,([0-9]+))?$ ]] || continue
        if [[ ${BASH_REMATCH[4]} == d ]]; then
            side=gone first=${BASH_REMATCH[1]} count=${BASH_REMATCH[3]:-$first}
        else
            side=new first=${BASH_REMATCH[5]} count=${BASH_REMATCH[7]:-$first}
        fi
        for ((i = first; i <= count; i++)); do
            if [[ $side == new ]]; then change=${now[i - 1]}; else change=${was[i - 1]}; fi
            # What only moved is told where it is now.
            [[ $side == new || $'\n'$(printf '%s\n' "${now[@]%%$'\t'*}")$'\n' != *$'\n'"${change%%$'\t'*}"$'\n'* ]] || continue
            change=${change#*$'\t'}
            reason=$(why_place "$side" "${change%%$'\t'*}")
            kinds+=("${reason%%: *}")
            places+=("${reason#*: }")
        done
    done < <(diff <(said "${was[@]}") <(said "${now[@]}"))
    printf '%s: %s' "${kinds[0]-recipe changed}" "$(
        for ((i = 0; i < ${#places[@]}; i++)); do
            [[ ${kinds[i]} != "${kinds[0]}" ]] || printf '%s\n' "${places[i]}"
        done | awk '!told[$0]++' | few
    )"
}

# said LINE…: each without its place; of none there is no line.
said() { (($# == 0)) || printf '%s\n' "${@%%$'\t'*}"; }

# why_place SIDE SPOT: an instruction that is new there, or gone from there, with whom to thank for it.
why_place() {
    local spot=$2 file=${2%:*:*} was now gone=''
    [[ $1 == new ]] || gone='gone from '
    [[ $spot != '<buildsys>:0:0' ]] || spot=$RECIPE
    was=$(trait_said "$file" "$STATE/$IMAGE.spots")
    now=$(trait_said "$file" <(spots))
    if [[ -z $was$now ]]; then
        printf 'recipe changed: %s%s' "$gone" "$spot"
    elif [[ -z $was ]]; then
        printf 'recipe changed: it uses %s' "$file"
    elif [[ -z $now ]]; then
        printf 'recipe changed: it no longer uses %s' "$file"
    elif [[ $was == "$now" ]]; then
        printf 'recipe changed: it uses %s in another way' "$file"
    else
        printf 'trait changed: %s%s' "$gone" "$spot"
    fi
}

# trait_said FILE PLACES: hash of what that trait said; nothing when it is none, or was not used. Where the set lies
# has no say.
trait_said() {
    FILE="/traits/${1##*/traits/}" awk -F '\t' '
        $1 == "trait" && substr("/" $3, length($3) + 2 - length(ENVIRON["FILE"])) == ENVIRON["FILE"] { print $2 }' "$2"
}

# why_packages LAST: the packages of the lock that differ, old -> new.
why_packages() {
    awk '
        $1 != "package" { next }
        { name = $2 }
        FNR == NR { old[name] = $3; sum[name] = $NF; next }
        { new[name] = 1 }
        !(name in old) { print name " " $3 " added" }
        name in old && old[name] != $3 { print name " " old[name] " -> " $3 }
        name in old && old[name] == $3 && sum[name] != $NF { print name " " $3 " made anew" }
        END { for (name in old) if (!(name in new)) print name " " old[name] " removed" | "sort" }
    ' "$1" <(printf '%s\n' "$INPUTS") | { printf 'package ' && few; }
}

# few: lines as a list; of many the first three.
few() {
    awk '
        NR <= 3 { text = text (NR > 1 ? ", " : "") $0 }
        END { printf "%s", text (NR > 3 ? " and " NR - 3 " more" : "") }'
}
