# What all package managers share: retries of what may pass by itself, and words for what will not.

# retry COMMAND…: again, later, when the failure was the network's; never when it was the recipe's.
retry() {
    local attempt wait=2 log=$PLAN/logs/$IMAGE.log
    for attempt in 1 2 3 4; do
        if "$@"; then return 0; fi
        if ((attempt == 4)) || ! infrastructure "$log"; then return 1; fi
        printf '%s: attempt %d failed, trying again in %d s\n' "$IMAGE" "$attempt" "$wait"
        sleep "$wait"
        wait=$((wait * 3))
    done
}

# packages_explain OUTPUT: name the recipe line of each package the installer could not find or verify.
packages_explain() {
    local package spot
    while IFS= read -r package; do
        spot=$(sed -nE "s/^ +'?${package//./\\.}'? +# (.*)$/\1/p" "$PLAN/steps/$IMAGE.sh" | head -n 1)
        [[ -z $spot ]] || SPOT=$spot
        printf 'error: %s: no repository of this site has a package %s\n' "${spot:-$SPOT}" "$package"
    done < <(sed -nE -e 's/^(Error: )?(No match for argument|Unable to find a match): *//p' \
        -e 's/^No package ([^ ]+) available.*/\1/p' "$1" | tr -s ' ' '\n' | sort -u)
}

# packages_absent PACKAGE: what to say when one to be removed is not there.
packages_absent() {
    printf 'error: package %s is not installed\n' "$1"
    printf '  hint: if that is as it should be, say "optional: true"\n'
}

case $INSTALLER in
    rpm | dnf | yum)
        # shellcheck source=/dev/null
        . "$LIB/rpm.sh"
        # shellcheck source=/dev/null
        [[ $INSTALLER == rpm ]] || . "$LIB/$INSTALLER.sh"
        ;;
esac
