# Secrets of Containerfiles: files that whoever builds names. Neither key nor plan nor log holds what is in them.

# secret_file NAME [FILE]: prints which file it is: what BS_SECRETS (NAME=FILE…, quoted as for a shell) says, else FILE;
# nothing when nobody says so.
secret_file() {
    local word file=${2-}
    split "${BS_SECRETS-}" || return
    for word in "${WORDS[@]}"; do [[ $word != "$1="* ]] || file=${word#*=}; done
    [[ $file != \~/* ]] || file=$HOME/${file#\~/}
    printf '%s' "$file"
}

# check_secrets GOALS FRESH: before anything is built, each secret of an image that may be built is there. PLAN/secrets has a line for
# each: image, name, where it is mounted, the recipe's file.
check_secrets() {
    local image name spot file wrong='' missing=''
    local -A built=()
    [[ -s $PLAN/secrets ]] || return 0
    while read -r _ image _; do built[$image]=yes; done <"$1"
    while read -r image; do built[$image]=''; done <"$2"
    split "${BS_SECRETS-}" || decline 'BS_SECRETS: a quote or a backslash in it has no end' 'write NAME=FILE, quoted as for a shell'
    while IFS=$'\t' read -r image name spot file; do
        [[ -n ${built[$image]-} ]] || continue
        file=$(secret_file "$name" "$file")
        if [[ -z $file ]]; then
            printf "%s: error: nobody supplies the secret '%s' of the image %s\n" "$spot" "$name" "$image" >&2
            missing=yes wrong=yes
        elif [[ $file != /* || ! -f $file || ! -r $file ]]; then
            printf "%s: error: the secret '%s' cannot be read: %s must be a file, named from / on\n" "$spot" "$name" "$file" >&2
            wrong=yes
        fi
    done <"$PLAN/secrets"
    [[ -n $wrong ]] || return 0
    [[ -z $missing ]] || printf '  hint: buildsys build --secret NAME=FILE, or secrets: in the recipe; for make, BS_SECRETS="NAME=FILE"\n' >&2
    exit 2
}
