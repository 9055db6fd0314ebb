# Full disks: find which disk is full. The messages of tools name a file at best, and often another cause.

# Like QUOTA and WORDS of buildsys/disk.py. Without `disk` it may be the quota of a server, whose words go on: "quota exceeded for …".
QUOTA_WORDS='disk quota exceeded|\bquota exceeded( \(|[^ [:alnum:]_]|$)|\bEDQUOT\b|\[Errno 122\]|\bos error 122\b'
SPACE_WORDS="no space left on device|$QUOTA_WORDS|database or disk is full|needs [0-9]+[KMG]?i?B more space"
SPACE_WORDS+='|needs [0-9]+ (more )?inodes|not enough (free )?(disk )?space|disk full|\bENOSPC\b|\[Errno 28\]|\bos error 28\b'
# A disk with less than this is full: it has room for a block of metadata and a line of a log.
ENOUGH_BYTES=1048576 ENOUGH_INODES=16

# list_disks PLACE…: print a line for each file system of these places: free bytes, free bytes for users, free inodes (`-`: not counted),
# the mount point, a tab, and the first of the places on it.
list_disks() {
    local place there=() seen=$'\n' free usable size inodes all point
    for place; do
        # A missing place will be created in its nearest existing parent.
        while [[ $place == /*/* && ! -e $place ]]; do place=${place%/*}; done
        there+=("$place")
    done
    ((${#there[@]})) || return 0
    while read -r free usable size inodes all place; do
        ((all)) || inodes=-
        point=$(stat -c %m -- "$place" 2>/dev/null) || point=$place
        [[ $seen != *$'\n'"$point"$'\n'* ]] || continue
        seen+=$point$'\n'
        # Only root can use reserved blocks.
        ((EUID == 0)) || free=$usable
        printf '%d %d %s %s\t%s\n' "$((free * size))" "$((usable * size))" "$inodes" "$point" "$place"
    done < <(stat -f -c '%f %a %S %d %c %n' -- "${there[@]}" 2>/dev/null)
}

# raise_minimum LOG TREE: if LOG ends with an interrupted copy, a disk with less free space than the size of TREE counts as full: the
# tool has removed the file that did not fit.
raise_minimum() {
    local size
    tail -n 40 -- "$1" 2>/dev/null | tr -d '\0' | grep -Eiq 'closed pipe|broken pipe|short write|unexpected EOF' || return 0
    size=$(du -sk -- "$2" 2>/dev/null | cut -f 1)
    ((${size:-0} * 1024 < ENOUGH_BYTES)) || ENOUGH_BYTES=$((size * 1100))
}

# full_disk LOG PLACE…: print a sentence about the disk that caused a failure; fail if there is none. It is a disk without free space or
# inodes; or, if the end of LOG reports missing space, the disk with the least free space, because the tool may have removed its file.
# Free space does not show a quota.
full_disk() {
    local log=$1 now='the disk is full' was='the disk became full'
    shift
    if [[ -n $log ]]; then log=$(tail -n 40 -- "$log" 2>/dev/null | tr -d '\0' | grep -Ei -- "$SPACE_WORDS") || log=''; fi
    ! grep -Eiq -- "$QUOTA_WORDS" <<<"$log" || now='the quota of the disk is used up' was='the quota of a disk is used up'
    list_disks "$@" | words=$log now=$now was=$was awk -F '\t' -v bytes="$ENOUGH_BYTES" -v nodes="$ENOUGH_INODES" '
        {
            split($1, number, " ")
            point = $1; sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", point)
            full = number[1] < bytes || number[3] != "-" && number[3] < nodes
            # A full disk takes precedence over all others.
            if (!full && (ENVIRON["words"] == "" || found == 2)) next
            if (found == 1 + full && number[2] >= least) next
            found = 1 + full; least = number[2]
            text = sprintf("%s: %d MiB%s free at %s", full ? ENVIRON["now"] : ENVIRON["was"], number[2] / 1048576,
                number[3] == "-" ? "" : " and " number[3] " inodes", point)
            if (point != $2) text = text ", where " $2 " lies"
        }
        END { if (found) print text; exit !found }'
}
