# Read by every health check here: process NAME...
# Succeeds when a process runs that is one of NAME, or that interprets a script of one of these names.
process() {
    for command in /proc/[0-9]*/cmdline; do
        # Processes end while they are looked at: what cannot be read does not run.
        arguments=$(tr '\0' '\n' 2>&1 < "$command" | head -n 3) || continue
        case $arguments in
        *"$0"*) continue ;;
        esac
        for name; do
            if echo "$arguments" | grep -qE "(^|/)$name\$"; then
                echo "$name runs"
                exit 0
            fi
        done
    done
    echo "no process of: $*"
    exit 1
}
