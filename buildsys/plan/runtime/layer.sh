# What a layer is going to hold, before it is packed. A tar file has no holes that its readers keep, so a file of 3 GB
# without a byte in it takes 3 GB: in temporary files, in the store, and wherever the image goes.

# Logs that are indexed by user number: an account with a large one makes a file of gigabytes, all zeros.
LOGS_BY_NUMBER=(lastlog faillog tallylog)
MIB=1048576

# weigh_layer: empties logs of zeros, says which other files are mostly holes, and fails when the layer does not fit.
weigh_layer() {
    local size blocks name total large=$SCRATCH/large by_number=()
    for name in "${LOGS_BY_NUMBER[@]}"; do by_number+=(-o -path "$UPPER/var/log/$name"); done
    # Hard links are one file.
    total=$(find -P "$UPPER" -type f -newerct "@$SINCE" -printf '%s %i %n\n' \
        \( -size +64k "${by_number[@]}" \) -links 1 -fprintf "$large" '%s %b %P\0' |
        awk '$3 == 1 || !seen[$2]++ { total += $1 } END { printf "%.0f", total }')
    # The name is taken as it is, blanks at its ends too: another name may be a link that leads out of the root.
    while IFS= read -r -d '' name; do
        size=${name%% *} name=${name#* }
        blocks=${name%% *} name=${name#* }
        # Overlays may keep the data of a file below, where the step changed its mode alone.
        ((blocks * 512 >= size / 2)) || blocks=$(stat -c %b -- "$ROOT/$name")
        if emptied_log "$size" "$blocks" "$name"; then
            total=$((total - size))
        elif ((size >= 16 * MIB && blocks * 512 < size / 2)); then
            printf -v name '%s: note: /%s takes %d MiB in the layer, %d MiB of it are data' \
                "$IMAGE" "${name//[[:cntrl:]]/?}" "$((size / MIB))" "$((blocks * 512 / MIB))"
            printf '%s\n' "$name"
            printf '%s\n' "$name" >&4
        fi
    done <"$large"
    check_room "$total"
}

# emptied_log SIZE BLOCKS PATH: empties a log that is indexed by user number, or that is large and holds zeros only.
emptied_log() {
    [[ $3 == var/log/* && $1 != 0 ]] || return
    [[ " ${LOGS_BY_NUMBER[*]/#/var/log/} " == *" $3 "* ]] ||
        { (($2 == 0 || $1 >= MIB)) && cmp -s -n "$1" -- "$ROOT/$3" /dev/zero; } || return
    truncate -s 0 -- "$ROOT/$3"
    # As old as the set, like all that the step wrote.
    touch -h -d "@$BS_EPOCH" -- "$ROOT/$3"
}

# check_room BYTES: the layer is packed into temporary files before it enters the store.
check_room() {
    local need=$(($1 / MIB)) place free device devices='' places=("$GRAPHROOT" "${TMPDIR:-/var/tmp}")
    # Small ones need no question: a run begins with more than that.
    ((need >= 64)) || return 0
    while read -r free device; do
        # Both on one disk.
        [[ " $devices " != *" $device "* ]] || need=$(($1 * 2 / MIB))
        devices+=" $device"
        place=${places[0]}
        places=("${places[@]:1}")
        ((free < need)) || continue
        # lib/log.sh knows these words: another disk may have room for it.
        printf 'error: %s: the layer of %s does not fit on the disk: it takes %d MiB at %s, where %d MiB are free\n' \
            "$RECIPE" "$IMAGE" "$need" "$place" "$free"
        printf '  hint: free some space, or let the step write less; it has written %d MiB\n' "$(($1 / MIB))"
        return 1
    done < <(paste -d ' ' <(df --output=avail -B "$MIB" -- "${places[@]}" | sed 1d) <(stat -c %d -- "${places[@]}"))
}
