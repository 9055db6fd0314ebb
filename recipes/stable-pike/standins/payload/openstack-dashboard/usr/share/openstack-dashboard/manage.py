#!/bin/sh
# Stand-in for Django's manage.py. compilemessages does its work on the catalogues below the working directory,
# with msgfmt as Django does; other commands say that nothing was done.
if [ "${1-}" != compilemessages ]; then
    echo "manage.py: stand-in: nothing done for: $*"
    exit 0
fi
for catalogue in locale/*/LC_MESSAGES/*.po conf/locale/*/LC_MESSAGES/*.po; do
    if [ -e "$catalogue" ]; then
        echo "processing file $(basename "$catalogue") in $(dirname "$catalogue")"
        msgfmt --check-format -o "${catalogue%.po}.mo" "$catalogue" || exit 1
    fi
done
