# The records of images, on their way from one copy of a plan to another: results/NAME.json, logs/NAME.log and those of state/NAME.

RECORD_KINDS=(id inputs spots keys given contents exchanged seconds)

# list_records_of IMAGE…: print the names of the records that exist, below the plan, a line each. The working directory is the plan's.
list_records_of() {
    local name file
    for name; do
        for file in results/"$name".json logs/"$name".log "${RECORD_KINDS[@]/#/state/$name.}" state/"$name".*.checked; do
            [[ ! -f $file ]] || ! is_record_of "$name" "$file" || printf '%s\n' "$file"
        done
    done
}

# is_record_of IMAGE FILE: an image may have a name like that of another one's record; a stamp ends in a hash.
is_record_of() { [[ $2 != *.checked || ${2#"state/$1."} =~ ^[0-9a-f]+\.checked$ ]]; }

# place_records FOLDER IMAGE…: move the records of these images from a folder, which somebody else has filled, to their places in the plan:
# first the results, the stamps last, as a step does. Files of other names stay in the folder. An id that did not change keeps its file,
# so that make does not run the children of the image.
place_records() {
    local from=$1 name file results=() logs=() records=() stamps=()
    shift
    for name; do
        file=$from/state/$name.id
        if [[ -f $file && ! -L $file ]]; then
            if [[ -s $STATE/$name.id && $(<"$file") == "$(<"$STATE/$name.id")" ]]; then rm -f "$file"; else rm -f "$PLAN/promoted.json"; fi
        fi
        while IFS= read -r file; do
            [[ ! -L $from/$file ]] || continue
            case $file in
                results/*) results+=("$from/$file") ;;
                logs/*) logs+=("$from/$file") ;;
                *.checked) stamps+=("$from/$file") ;;
                *) records+=("$from/$file") ;;
            esac
        done < <(cd "$from" && list_records_of "$name")
    done
    move_records "$PLAN/results" "${results[@]}"
    move_records "$PLAN/logs" "${logs[@]}"
    move_records "$STATE" "${records[@]}"
    move_records "$STATE" "${stamps[@]}"
}

# move_records FOLDER FILE…: the time of a record is that of its arrival: make compares it with the records of other images.
move_records() {
    (($# > 1)) || return 0
    touch -- "${@:2}"
    # Without sync, a crash of the machine may keep the new names and lose the contents.
    sync -- "${@:2}"
    mv -f -t "$1" -- "${@:2}"
}
