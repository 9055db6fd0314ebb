# The size of a layer, before it is packed. Layers are tar files without holes: an empty sparse file of 3 GB takes 3 GB in temporary
# files, in the store and at each destination of the image.

# Logs that are indexed by user id: an account with a large id makes a file of gigabytes of zeros.
LOGS_BY_NUMBER=(lastlog faillog tallylog)
MIB=1048576

# measure_layer: empty logs that hold only zeros, print a note about other sparse files, and fail if the layer does not fit.
measure_layer() {
    local size blocks name total large=$SCRATCH/large by_number=()
    for name in "${LOGS_BY_NUMBER[@]}"; do by_number+=(-o -path "$UPPER/var/log/$name"); done
    # Count hard links of one file once.
    total=$(find -P "$UPPER" -type f -newerct "@$SINCE" -printf '%s %i %n\n' \
        \( -size +64k "${by_number[@]}" \) -links 1 -fprintf "$large" '%s %b %P\0' |
        awk '$3 == 1 || !seen[$2]++ { total += $1 } END { printf "%.0f", total }')
    # Keep blanks at both ends of a name: the name without them may be a link that leads out of the root.
    while IFS= read -r -d '' name; do
        size=${name%% *} name=${name#* }
        blocks=${name%% *} name=${name#* }
        # If a step changes only the mode of a file, overlay may leave the data in the lower layer.
        ((blocks * 512 >= size / 2)) || blocks=$(stat -c %b -- "$ROOT/$name")
        if empty_log "$size" "$blocks" "$name"; then
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

# note_acls: print a note about files and folders with an ACL. buildah leaves it out, and the rights of its mask become the group's.
note_acls() {
    local text
    text=$(find -P "$UPPER" \( -type f -o -type d \) -newerct "@$SINCE" \
        -exec ls -dn --time-style=+ --quoting-style=escape -- {} + | top=$UPPER awk '
        $1 ~ /\+$/ && !count++ { first = substr($0, index($0, ENVIRON["top"]) + length(ENVIRON["top"])) }
        END { if (count) printf("%s has an ACL%s", (first == "" ? "/" : first), (count > 1 ? ", and " count - 1 " more have" : "")) }')
    [[ -n $text ]] || return 0
    text="$IMAGE: note: $text; layers hold none, and the group of such a file gets the rights of the mask"
    printf '%s\n' "$text"
    printf '%s\n' "$text" >&4
}

# empty_log SIZE BLOCKS PATH: empty a log that is indexed by user id, or a large one that holds only zeros; fail for other files.
empty_log() {
    [[ $3 == var/log/* && $1 != 0 ]] || return
    [[ " ${LOGS_BY_NUMBER[*]/#/var/log/} " == *" $3 "* ]] ||
        { (($2 == 0 || $1 >= MIB)) && cmp -s -n "$1" -- "$ROOT/$3" /dev/zero; } || return
    truncate -s 0 -- "$ROOT/$3"
    # The time of everything that a step writes is the epoch.
    touch -h -d "@$BS_EPOCH" -- "$ROOT/$3"
}

# check_room BYTES: fail if the disks of the store and of temporary files lack space for a layer of this size. It is packed into a
# temporary file before it enters the store.
check_room() {
    local need=$(($1 / MIB)) place free device devices='' places=("$GRAPHROOT" "${TMPDIR:-/var/tmp}")
    # A run starts only with more free space than this.
    ((need >= 64)) || return 0
    while read -r free device; do
        # The store and the temporary files share a disk.
        [[ " $devices " != *" $device "* ]] || need=$(($1 * 2 / MIB))
        devices+=" $device"
        place=${places[0]}
        places=("${places[@]:1}")
        ((free < need)) || continue
        # lib/log.sh matches these words.
        printf 'error: %s: the layer of %s does not fit on the disk: it takes %d MiB at %s, where %d MiB are free\n' \
            "$RECIPE" "$IMAGE" "$need" "$place" "$free"
        printf '  hint: free some space, or make the step write less; it wrote %d MiB\n' "$(($1 / MIB))"
        return 1
    done < <(paste -d ' ' <(df --output=avail -B "$MIB" -- "${places[@]}" | sed 1d) <(stat -c %d -- "${places[@]}"))
}
