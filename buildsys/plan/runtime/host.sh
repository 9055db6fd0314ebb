#!/bin/bash
# host.sh FOLDER DNF WORDS…: run this dnf with the host's repositories, variables, certificates, accounts and proxies. Runs in a mount
# namespace of the step; FOLDER is in memory there, so the copy of the host's configuration is never on disk.
set -euo pipefail
private=$1 dnf=$2
shift 2
of_host=/etc/dnf/dnf.conf
[[ -e $of_host ]] || of_host=/dev/null
config=$private/dnf.conf
mount -t tmpfs -o mode=700 buildsys "$private"

# Plugins that supply certificates and addresses of the host's repositories. Others are disabled: some change the host after each
# transaction.
: "${BS_DNF_PLUGINS=subscription-manager,rhsm,spacewalk,amazon-id,rhui*,azure-rhui*}"

# Options that a build sets, instead of the host.
ours="gpgcheck=1
localpkg_gpgcheck=1
best=1
install_weak_deps=0
installonly_limit=0
clean_requirements_on_remove=0
deltarpm=0
keepcache=1
color=never"

# read_host_option OPTION DEFAULT: print the value of an option in the host's configuration.
read_host_option() {
    local value
    value=$(sed -nE "s/^$1[[:space:]]*=[[:space:]]*//p" "$of_host" | tail -n 1)
    printf '%s' "${value:-$2}"
}

awk -v ours="$ours" '
    BEGIN { count = split(ours, lines, "\n"); for (i = 1; i <= count; i++) { sub(/=.*/, "", lines[i]); known[lines[i]] } }
    /^\[/ { kept = main = ($0 ~ /^\[main\]/); if (main) { print; print ours; seen = 1; next } kept = 1 }
    main && /^[^ \t#]/ { option = $0; sub(/[ \t]*=.*/, "", option); kept = !(option in known) }
    kept { print }
    END { if (!seen) { print "[main]"; print ours } }' "$of_host" >"$config"

# With --installroot dnf uses the repositories and variables of the image, so name the host's. dnf5 with a root does not find the host's
# release, so name that, too.
if [[ $(readlink -f "$dnf") == */dnf5 && " $* " != *' --releasever '* && -r /etc/os-release ]]; then
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && printf '%s' "${VERSION_ID-}")
    set -- --releasever "${release%%.*}" "$@"
fi
exec "$dnf" --config "$config" \
    --setopt="reposdir=$(read_host_option reposdir /etc/yum.repos.d,/etc/yum/repos.d,/etc/distro.repos.d)" \
    --setopt="varsdir=$(read_host_option varsdir /etc/yum/vars,/etc/dnf/vars)" \
    --setopt='*.metadata_expire=never' --setopt='*.skip_if_unavailable=0' \
    --disableplugin='*' ${BS_DNF_PLUGINS:+--enableplugin="$BS_DNF_PLUGINS"} "$@"
