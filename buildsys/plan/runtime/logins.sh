# Credentials for URLs. They are in no file of a plan, but in BS_LOGINS, from the command that runs the plan, or in the user's netrc.

# find_login URL: set LOGIN_USER and LOGIN_PASSWORD for the host of a URL; fail if they are not known.
find_login() {
    local where name file line
    where=${1#*://}
    where=${where%%/*}
    where=${where,,}
    while read -r name LOGIN_USER LOGIN_PASSWORD; do
        [[ -n $name && $name == "$where" ]] || continue
        LOGIN_PASSWORD=${LOGIN_PASSWORD#=}
        decode_login LOGIN_USER
        decode_login LOGIN_PASSWORD
        return
    # Not a here-string, which may be a temporary file.
    done < <(printf '%s\n' "${BS_LOGINS-}")
    file=${NETRC:-${HOME:-/nonexistent}/.netrc}
    [[ -f $file && -r $file ]] || return
    {
        IFS= read -r line && IFS= read -r LOGIN_USER && IFS= read -r LOGIN_PASSWORD
    } < <(find_netrc_entry "${where%:*}" <"$file")
}

# decode_login NAME: decode the percent signs of a URL in a variable.
decode_login() {
    local -n decoded=$1
    decoded=${decoded//\\/\\\\}
    printf -v decoded '%b' "${decoded//%/\\x}"
}

# find_netrc_entry HOST <FILE: print `found`, the user and the password, a line each; or nothing.
find_netrc_entry() {
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

# print_curl_login URL: print credentials as a configuration of curl, so that they are on no command line.
print_curl_login() {
    local login
    find_login "$1" || return 0
    login=$LOGIN_USER:$LOGIN_PASSWORD
    login=${login//\\/\\\\}
    printf 'user = "%s"\n' "${login//\"/\\\"}"
}
