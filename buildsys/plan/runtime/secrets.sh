# Secrets of Containerfiles: files that the caller names. Keys, plan and logs never contain their contents.

# find_secret NAME [FILE]: print the file of a secret: from BS_SECRETS (NAME=FILE…, with shell quotes), else FILE, else nothing.
find_secret() {
    local word file=${2-}
    split_words "${BS_SECRETS-}" || return
    for word in "${WORDS[@]}"; do [[ $word != "$1="* ]] || file=${word#*=}; done
    [[ $file != \~/* ]] || file=$HOME/${file#\~/}
    printf '%s' "$file"
}

# check_secrets GOALS FRESH: exit 2 unless each secret of an image that may be built exists. PLAN/secrets has a line for each: image, name,
# Spot, file of the recipe.
check_secrets() {
    local image name spot file wrong='' missing=''
    local -A built=()
    [[ -s $PLAN/secrets ]] || return 0
    while read -r _ image _; do built[$image]=yes; done <"$1"
    while read -r image; do built[$image]=''; done <"$2"
    split_words "${BS_SECRETS-}" || decline 'BS_SECRETS has unbalanced quotes, or ends with a backslash' 'write NAME=FILE, with shell quotes'
    while IFS=$'\t' read -r image name spot file; do
        [[ -n ${built[$image]-} ]] || continue
        file=$(find_secret "$name" "$file")
        if [[ -z $file ]]; then
            printf "%s: error: the secret '%s' of the image %s is not supplied\n" "$spot" "$name" "$image" >&2
            missing=yes wrong=yes
        elif [[ $file != /* || ! -f $file || ! -r $file ]]; then
            printf "%s: error: the secret '%s' cannot be read: %s must be the absolute path of a file\n" "$spot" "$name" "$file" >&2
            wrong=yes
        fi
    done <"$PLAN/secrets"
    [[ -n $wrong ]] || return 0
    [[ -z $missing ]] || printf '  hint: buildsys build --secret NAME=FILE, or secrets: in the recipe; for make, BS_SECRETS="NAME=FILE"\n' >&2
    exit 2
}
