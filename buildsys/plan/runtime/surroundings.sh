# What of the caller's surroundings reaches a run: every program of a plan that somebody else starts reads this first.

# A closed descriptor: the first file that is opened would take its place, and what programs print would go there.
[[ -e /dev/fd/0 ]] || exec </dev/null
[[ -e /dev/fd/1 ]] || exec >/dev/null
[[ -e /dev/fd/2 ]] || exec 2>/dev/null

# The steps are bash as it comes, whatever the caller's shell does; and programs do what they are asked to do here.
set +afkCP -B
set +o posix
shopt -u dotglob failglob nocaseglob nocasematch nullglob xpg_echo
export -n SHELLOPTS BASHOPTS
unset BASH_ENV BUILDAH_HISTORY BUILDAH_LAYERS CDPATH ENV GLOBIGNORE GREP_OPTIONS MAKEFILES OLDPWD POSIXLY_CORRECT TAR_OPTIONS
while read -r _ _ function; do unset -f "$function"; done < <(declare -Fx)
unset function
export LC_ALL=C TZ=UTC

# usable_folder DIR: can temporary files be made in it?
usable_folder() { [[ -d $1 && -w $1 && -x $1 ]]; }

# Temporary files go where the caller says or where they always go; where that cannot be, into the plan.
if [[ -n ${TMPDIR-} ]] && ! usable_folder "$TMPDIR"; then
    printf 'note: TMPDIR is %s, where no file can be made; temporary files go elsewhere\n' "$TMPDIR" >&2
    unset TMPDIR
fi
# Programs work in other directories.
if [[ -n ${TMPDIR-} && $TMPDIR != /* ]]; then TMPDIR=$PWD/$TMPDIR; fi
if [[ -z ${TMPDIR-} ]] && ! { usable_folder /tmp && usable_folder /var/tmp; }; then
    mkdir -p "$STATE/tmp"
    export TMPDIR=$STATE/tmp
fi
