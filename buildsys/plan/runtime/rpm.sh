# What dnf and yum share: signatures of package files.

# rpm_signed FILE: does a key of this site sign it? rpm itself only warns of an unknown key.
rpm_signed() {
    local keyring=$SCRATCH/keyring
    if [[ ! -d $keyring ]]; then
        mkdir "$keyring"
        rpmkeys --dbpath "$keyring" --import "$PLAN"/pool/keys/*
    fi
    if ! rpmkeys --dbpath "$keyring" --checksig "$1" >&2; then
        printf 'error: %s is not signed by a key of this site\n' "${1##*/}" >&2
        return 1
    fi
}
