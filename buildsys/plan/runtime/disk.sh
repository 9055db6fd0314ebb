# Full disks: which one it is, in words. What tools say of it names the file at best, and often something else.

SPACE_WORDS='no space left on device|disk quota exceeded|database or disk is full|needs [0-9]+[KMG]?i?B more space|needs [0-9]+ (more )?inodes|not enough (free )?(disk )?space|disk full'
# Less than this is nothing: a block of metadata and a line of a log.
ENOUGH_BYTES=1048576 ENOUGH_INODES=16

# disks PLACE…: a line for each file system that these lie on: what can still be written there in bytes, what of it users can
# write, inodes free (`-`: it does not count them), its mount point, a tab, and the first of the places that lies there.
disks() {
    local place there=() seen=$'\n' free usable size inodes all point
    for place; do
        # What is not there yet will be made in the nearest folder that is.
        while [[ $place == /*/* && ! -e $place ]]; do place=${place%/*}; done
        there+=("$place")
    done
    ((${#there[@]})) || return 0
    while read -r free usable size inodes all place; do
        ((all)) || inodes=-
        point=$(stat -c %m -- "$place" 2>/dev/null) || point=$place
        [[ $seen != *$'\n'"$point"$'\n'* ]] || continue
        seen+=$point$'\n'
        # Blocks that are kept for root are of use to root only.
        ((EUID == 0)) || free=$usable
        printf '%d %d %s %s\t%s\n' "$((free * size))" "$((usable * size))" "$inodes" "$point" "$place"
    done < <(stat -f -c '%f %a %S %d %c %n' -- "${there[@]}" 2>/dev/null)
}

# want_for LOG TREE: where LOG ends in half a copy of something, which is what is left to say of a file that was removed when
# it did not fit, a disk with less space than TREE takes is full.
want_for() {
    local size
    tail -n 40 -- "$1" 2>/dev/null | tr -d '\0' | grep -Eiq 'closed pipe|broken pipe|short write|unexpected EOF' || return 0
    size=$(du -sk -- "$2" 2>/dev/null | cut -f 1)
    ((${size:-0} * 1024 < ENOUGH_BYTES)) || ENOUGH_BYTES=$((size * 1100))
}

# full_disk LOG PLACE…: a sentence about the disk that is to blame for a failure; fails when none is. To blame is one that
# has no space or no inode left; or, where the end of LOG says so in words, the one with the least space: what was written
# may be gone again. A quota is not seen in what is free.
full_disk() {
    local log=$1 said='the disk is full' was='the disk became full'
    shift
    if [[ -n $log ]]; then log=$(tail -n 40 -- "$log" 2>/dev/null | tr -d '\0' | grep -Ei -- "$SPACE_WORDS") || log=''; fi
    [[ ${log,,} != *'quota exceeded'* ]] || said='the quota of the disk is used up' was='the quota of a disk is used up'
    disks "$@" | words=$log said=$said was=$was awk -F '\t' -v bytes="$ENOUGH_BYTES" -v nodes="$ENOUGH_INODES" '
        {
            split($1, number, " ")
            point = $1; sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", point)
            full = number[1] < bytes || number[3] != "-" && number[3] < nodes
            # One that has nothing left is to blame before all others.
            if (!full && (ENVIRON["words"] == "" || found == 2)) next
            if (found == 1 + full && number[2] >= least) next
            found = 1 + full; least = number[2]
            text = sprintf("%s: %d MiB%s free at %s", full ? ENVIRON["said"] : ENVIRON["was"], number[2] / 1048576,
                number[3] == "-" ? "" : " and " number[3] " inodes", point)
            if (point != $2) text = text ", where " $2 " lies"
        }
        END { if (found) print text; exit !found }'
}
