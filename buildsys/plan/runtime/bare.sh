# For a root without programs: the verbs of lib/inside.sh call those of the host, each started by its own loader. lib/copies.sh has `lent`.
# shellcheck shell=sh

awk() { lent awk "$@"; }
cat() { lent cat "$@"; }
chmod() { lent chmod "$@"; }
chown() { lent chown "$@"; }
cp() { lent cp "$@"; }
dirname() { lent dirname "$@"; }
grep() { lent grep "$@"; }
ln() { lent ln "$@"; }
mkdir() { lent mkdir "$@"; }
readlink() { lent readlink "$@"; }
rm() { lent rm "$@"; }
sed() { lent sed "$@"; }
sha256sum() { lent sha256sum "$@"; }
tail() { lent tail "$@"; }
touch() { lent touch "$@"; }
