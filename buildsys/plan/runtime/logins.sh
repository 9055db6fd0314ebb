# Credentials for addresses, which no file of a plan has: BS_LOGINS, of the command that runs the plan, or the user's netrc.

# login URL: sets LOGIN_USER and LOGIN_PASSWORD, what is known for the host of a URL; fails when nothing is.
login() {
    local where name file line
    where=${1#*://}
    where=${where%%/*}
    where=${where,,}
    while read -r name LOGIN_USER LOGIN_PASSWORD; do
        [[ -n $name && $name == "$where" ]] || continue
        LOGIN_PASSWORD=${LOGIN_PASSWORD#=}
        login_decoded LOGIN_USER
        login_decoded LOGIN_PASSWORD
        return
    # A here-string may be a file.
    done < <(printf '%s\n' "${BS_LOGINS-}")
    file=${NETRC:-${HOME:-/nonexistent}/.netrc}
    [[ -f $file && -r $file ]] || return
    {
        IFS= read -r line && IFS= read -r LOGIN_USER && IFS= read -r LOGIN_PASSWORD
    } < <(netrc_entry "${where%:*}" <"$file")
}

# login_decoded NAME: what a URL encodes with percent signs, in a variable.
login_decoded() {
    local -n decoded=$1
    decoded=${decoded//\\/\\\\}
    printf -v decoded '%b' "${decoded//%/\\x}"
}

# netrc_entry HOST <FILE: a line that says it is found, the user, and the password, or nothing.
netrc_entry() {
    HOST=$1 awk '
        { sub(/^[ \t]*#.*/, "") }
        /^[ \t]*macdef/ { macro = 1 }
        macro { if ($0 ~ /^[ \t]*$/) macro = 0; next }
        { text = text $0 "\n" }
        function word() {
            sub(/^[ \t\r\n]+/, "", text)
            if (!match(text, /^"([^"\\]|\\.)*"/) && !match(text, /^[^ \t\r\n]+/)) return ""
            token = substr(text, 1, RLENGTH)
            text = substr(text, RLENGTH + 1)
            if (token ~ /^".*"$/ && length(token) > 1) {
                token = substr(token, 2, length(token) - 2)
                gsub(/\\\\/, "\001", token); gsub(/\\/, "", token); gsub(/\001/, "\\", token)
            }
            return token
        }
        END {
            while ((key = word()) != "") {
                if (key == "machine" || key == "default") {
                    if (ours) break
                    ours = key == "default" || tolower(word()) == ENVIRON["HOST"]
                } else if (key == "login" || key == "password" || key == "account") {
                    value = word()
                    if (ours) found[key] = value
                }
            }
            if (ours) print "found\n" found["login"] "\n" found["password"]
        }'
}

# login_for_curl URL: prints what curl reads as its configuration: no other program sees it on a command line.
login_for_curl() {
    local said
    login "$1" || return 0
    said=$LOGIN_USER:$LOGIN_PASSWORD
    said=${said//\\/\\\\}
    printf 'user = "%s"\n' "${said//\"/\\\"}"
}
