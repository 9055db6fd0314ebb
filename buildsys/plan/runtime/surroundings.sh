# Isolate a run from the caller's environment: every program of a plan sources this file first.

# Without /proc, /dev/fd has no descriptors, and nothing could be printed any more.
[[ -r /proc/self/mountinfo ]] || {
    printf 'error: /proc is not mounted in this root\n  hint: mount it before: mount -t proc proc /proc\n' >&2
    exit 3
}

# Open closed standard descriptors: the next opened file would get such a number, and programs would print into it.
[[ -e /dev/fd/0 ]] || exec </dev/null
[[ -e /dev/fd/1 ]] || exec >/dev/null
[[ -e /dev/fd/2 ]] || exec 2>/dev/null

# Reset shell options, and variables that change how programs work.
set +afkCP -B
set +o posix
shopt -u dotglob failglob nocaseglob nocasematch nullglob xpg_echo
export -n SHELLOPTS BASHOPTS
unset BASH_ENV BUILDAH_HISTORY BUILDAH_LAYERS CDPATH ENV GLOBIGNORE GREP_OPTIONS MAKEFILES OLDPWD POSIXLY_CORRECT TAR_OPTIONS
while read -r _ _ function; do unset -f "$function"; done < <(declare -Fx)
unset function
export LC_ALL=C TZ=UTC

# usable_folder DIR: can temporary files be created in it?
usable_folder() { [[ -d $1 && -w $1 && -x $1 ]]; }

# Temporary files go to TMPDIR, or to the default folders, or, if these are not usable, into the plan.
if [[ -n ${TMPDIR-} ]] && ! usable_folder "$TMPDIR"; then
    printf 'note: TMPDIR is %s, where no file can be created; temporary files go elsewhere\n' "$TMPDIR" >&2
    unset TMPDIR
fi
# Programs run in other working directories.
if [[ -n ${TMPDIR-} && $TMPDIR != /* ]]; then TMPDIR=$PWD/$TMPDIR; fi
if [[ -z ${TMPDIR-} ]] && ! { usable_folder /tmp && usable_folder /var/tmp; }; then
    mkdir -p "$STATE/tmp"
    export TMPDIR=$STATE/tmp
fi
