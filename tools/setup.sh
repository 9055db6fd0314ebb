#!/usr/bin/env bash
# Sets this clone up: the distribution's packages, then a virtual environment with the versions of requirements.lock.
#
#   tools/setup.sh build    what building an image set needs
#   tools/setup.sh test     that, and what the checks and tests need
#
# Each part does only what is missing, says what it does before it does it, and may be killed anywhere: the next run
# mends it. Make runs this when .venv/set-up-for-SCOPE is absent or old.
# Exit status: 0 all is there; 2 usage; 3 something is missing that this script may not or cannot install.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.." # as make names it: links resolved

MISSING=3
PATH=$PATH:/usr/sbin:/sbin # where some tools live, and only root looks

# scope, what shows that it is there, its package where apt rules, its package where dnf rules (-: not needed there)
PACKAGES='
build  command:buildah          buildah          buildah
build  command:podman           podman           podman
build  command:skopeo           skopeo           skopeo
build  oci_runtime              runc             crun
build  command:catatonit        catatonit        -
build  command:bwrap            bubblewrap       bubblewrap
build  command:fuse-overlayfs   fuse-overlayfs   fuse-overlayfs
build  command:newuidmap        uidmap           shadow-utils
build  command:setfattr         attr             attr
build  dnf                      dnf              dnf
build  dnf_modules              python3-libdnf5  python3-libdnf5
build  command:rpm              rpm              rpm
build  static:busybox           busybox-static   busybox
build  command:curl             curl             curl
build  command:createrepo_c     createrepo-c     createrepo_c
build  python                   python3-venv     python3.11
test   command:git              git              git
test   command:gpg              gnupg            gnupg2
test   command:openssl          openssl          openssl
test   command:pgrep            procps           procps-ng
test   command:rpmbuild         rpm              rpm-build
test   command:fish             fish             fish
test   command:zsh              zsh              zsh
test   command:mandoc           mandoc           mandoc
test   command:groff            groff-base       groff-base
test   command:faketime         faketime         libfaketime
test   command:locale-gen       locales          -
test   command:runc             runc             runc
test   command:docker-registry  docker-registry  docker-distribution
test   command:mmdebstrap       mmdebstrap       mmdebstrap
test   command:setcap           libcap2-bin      libcap
test   command:srun             slurm-client     slurm
test   command:slurmctld        slurmctld        slurm-slurmctld
test   command:slurmd           slurmd           slurm-slurmd
test   command:munged           munge            munge
test   command:shellcheck       shellcheck       ShellCheck
test   chromium                 chromium         chromium
test   command:chromedriver     chromium-driver  chromedriver
'

say() { printf 'buildsys: %s\n' "$*" >&2; }

# ── what is there ───────────────────────────────────────────────────────────────────────────────────────────────

has_command() { command -v "$1" >/dev/null; }
has_static() { has_command "$1" && ! ldd "$(command -v "$1")" >/dev/null 2>&1; }
has_oci_runtime() { has_command crun || has_command runc; }
has_dnf() { has_command dnf || has_command dnf5; }
has_chromium() { has_command chromium || has_command chromium-browser; }
has_python() { find_python >/dev/null; }

# Prints the first Python that is new enough and can make virtual environments.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# dnf 4 is a Python program and has its modules. Those of dnf5 are a package of their own.
has_dnf_modules() {
  local dnf first=
  dnf=$(command -v dnf || command -v dnf5) || return 0
  read -rN 2 first <"$dnf" || true
  [[ $first == '#!' ]] || "${dnf%/*}/python3" -c 'import libdnf5' 2>/dev/null
}

no_python() {
  say "needs Python 3.11 or newer with its venv module; PYTHON=/path/to/python3 make … chooses one"
  exit "$MISSING"
}

# Prints the packages that are missing, one a line: missing_packages SCOPE apt|dnf
missing_packages() {
  local scope probe apt dnf
  while read -r scope probe apt dnf; do
    [[ $scope == build || $scope == "$1" ]] || continue
    local -A package=([apt]=$apt [dnf]=$dnf)
    [[ ${package[$2]} != - ]] || continue
    case $probe in
      *:*) "has_${probe%%:*}" "${probe#*:}" ;;
      *) "has_$probe" ;;
    esac || printf '%s\n' "${package[$2]}"
  done <<<"$PACKAGES" | sort -u
}

# ── the distribution's packages ─────────────────────────────────────────────────────────────────────────────────

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300)
  dpkg --configure --pending # what an earlier, interrupted run left
  # A fresh machine holds no package lists, and old lists name packages that are gone: both are worth one update.
  if ! "${install[@]}" --simulate "$@" >/dev/null 2>&1; then
    apt-get update
  elif "${install[@]}" "$@"; then
    return
  else
    apt-get update
  fi
  "${install[@]}" "$@"
}

dnf_program() { if has_command dnf; then echo dnf; else echo dnf5; fi; }
dnf_install() { "$(dnf_program)" --assumeyes install "$@"; }

# install_packages SCOPE
install_packages() {
  local manager command list
  if has_command apt-get; then
    manager=apt command='apt-get install --no-install-recommends'
  elif has_dnf; then
    manager=dnf command="$(dnf_program) install"
  else
    list=$(missing_packages "$1" apt)
    [[ -z $list ]] && return
    say "missing, by their Debian names: ${list//$'\n'/ }"
    say "this machine has neither apt-get nor dnf; install them its own way, then run make again"
    exit "$MISSING"
  fi
  list=$(missing_packages "$1" "$manager")
  [[ -z $list ]] && return
  list=${list//$'\n'/ }
  if [[ $(id -u) != 0 ]]; then
    say "these packages are missing; install them, then run make again:"
    say "    sudo $command $list"
    exit "$MISSING"
  fi
  say "installing packages: $list (what the package manager says: build/set-up.log)"
  local packages package
  read -ra packages <<<"$list"
  "${manager}_install" "${packages[@]}" >build/set-up.log 2>&1 || {
    tail --lines 20 build/set-up.log >&2
    say "installing failed; more in build/set-up.log. By hand: $command $list"
    exit "$MISSING"
  }
  # Debian starts what it installs; the tests start services of their own, on ports of their own.
  if [[ -d /run/systemd/system ]]; then
    for package in docker-registry munge slurmctld slurmd; do
      [[ " $list " != *" $package "* ]] || systemctl disable --now --quiet "$package.service" || true
    done
  fi
  list=$(missing_packages "$1" "$manager")
  has_python || no_python
  if [[ -n $list ]]; then
    say "still not usable after installing: ${list//$'\n'/ }"
    exit "$MISSING"
  fi
}

# ── the virtual environment ─────────────────────────────────────────────────────────────────────────────────────

# A marker is written last and says for which folder: without it, in a moved clone, or with other pins or another
# Python than today's, the environment is made again. A Python environment cannot be renamed, so it is made in its place.
environment_is_whole() {
  [[ -f .venv/set-up-for-build && $(<.venv/set-up-for-build) == "$PWD" ]] &&
    cmp --silent requirements.lock .venv/requirements.lock &&
    .venv/bin/python -c '' 2>/dev/null
}

pip_install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
    --constraint requirements.lock "$@" >&2 || {
    say "pip could not install into .venv; what it says stands above. The next make tries again"
    exit "$MISSING"
  }
}

make_environment() {
  local python whole=no scope
  environment_is_whole && whole=yes
  rm -f .venv/set-up-for-*
  if [[ $whole == no ]]; then
    python=$(find_python)
    say "making the virtual environment .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
    cp requirements.lock .venv/requirements.lock
  fi
  pip_install flit-core
  if [[ $1 == test ]]; then
    pip_install --editable '.[dev]'
  else
    pip_install --editable .
  fi
  for scope in build "$1"; do
    printf '%s\n' "$PWD" >.venv/marker
    mv .venv/marker ".venv/set-up-for-$scope"
  done
}

main() {
  case ${1-} in
    build | test) ;;
    *)
      say "usage: tools/setup.sh build|test"
      exit 2
      ;;
  esac
  if [[ $PWD == *:* ]]; then
    say "a clone cannot lie in $PWD: Python makes no virtual environment in a path with a colon; move it"
    exit "$MISSING"
  fi
  # Two makes in one clone set up one after the other.
  mkdir -p build
  exec 9>build/.set-up.lock
  flock 9
  install_packages "$1"
  make_environment "$1"
}

main "$@"
