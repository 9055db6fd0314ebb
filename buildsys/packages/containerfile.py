"""Package managers in a Containerfile: the commands they are called by within an image.

One class a manager, one table line below. `CARE` is the folder that an image has while it is built, and that
leaves in the end: caches and logs go there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from buildsys.image import (
    Bootstrap,
    ImportKey,
    Install,
    LockedPackage,
    Repository,
    Site,
    Transaction,
    Uninstall,
    UpdateAll,
)
from buildsys.packages.apt import in_order
from buildsys.shell import Glob

CARE = "/.buildsys"
VERBS = f"{CARE}/verbs.sh"
DPKG = f"{CARE}/apt-inside.sh"
POOL = f"{CARE}/packages"
PAYLOAD = f"{CARE}/payload"

Argv = tuple[str, ...]
PackageInstruction = Bootstrap | Install | Transaction | Uninstall | UpdateAll | ImportKey


class Manager(Protocol):
    """What a package manager does within an image."""

    def commands(self, step: PackageInstruction, *, carried: bool) -> Iterator[Argv]:
        """The commands of one instruction; `carried`: what is locked lies in the context."""
        ...

    def unpack(self, name: str, locked: LockedPackage | None, *, carried: bool) -> Iterator[Argv]:
        """Commands that lay the files of a package out below PAYLOAD without installing it."""
        ...


def manager(site: Site) -> Manager:
    """The package manager of a site's images."""
    if site.installer == "apt":
        return Apt()
    configured = bool(site.repositories) and not site.host_repositories
    return Rpm("yum" if site.installer == "yum" else "dnf", configured)


class Rpm:
    """dnf or yum, and rpm for what is locked and carried."""

    def __init__(self, program: str, configured: bool) -> None:  # noqa: FBT001 - one caller, above
        self.program = program
        self.configured = configured

    def commands(self, step: PackageInstruction, *, carried: bool) -> Iterator[Argv]:
        """See `Manager.commands`."""
        match step:
            case Transaction(packages=()):
                return
            case Transaction(packages=packages) if carried:
                yield from _sums(packages)
                files = (f"{POOL}/{item.file}" for item in packages)
                yield ("rpm", "--upgrade", "--oldpackage", "--nosignature", *files)
            case Transaction(packages=packages):
                yield from self._install([item.nevra for item in packages])
            case Bootstrap(packages=names) | Install(packages=names):
                yield from self._install([item.name for item in names])
            case UpdateAll():
                yield self._call("upgrade" if self.program == "dnf" else "update")
            case Uninstall(packages=names, optional=True):
                yield ("sh", VERBS, "erase", *(item.name for item in names))
            case Uninstall(packages=names):
                yield ("rpm", "--erase", *(item.name for item in names))
            case ImportKey(path=path):
                yield ("rpm", "--import", path)

    def unpack(self, name: str, locked: LockedPackage | None, *, carried: bool) -> Iterator[Argv]:
        """See `Manager.unpack`."""
        yield ("mkdir", "-p", f"{PAYLOAD}/fetched", f"{PAYLOAD}/root")
        file = f"{POOL}/{locked.file}" if carried and locked else Glob(f"{PAYLOAD}/fetched/{name}-[0-9]*.rpm")
        if not (carried and locked):
            wanted = locked.nevra if locked else name
            yield from self._fetch(wanted)
        words = ("--install", "--nodeps", "--noscripts", "--notriggers", "--nosignature")
        yield ("rpm", "--root", f"{PAYLOAD}/root", *words, file)

    def _fetch(self, wanted: str) -> Iterator[Argv]:
        if self.program == "yum":
            yield self._call("install", "--downloadonly", f"--downloaddir={PAYLOAD}/fetched", wanted)
            return
        # dnf5 checks no signature of what it only downloads; what it has checked comes out of its cache then.
        yield self._call("--setopt=keepcache=1", "--setopt=tsflags=test", "install", wanted)
        yield self._call("install", "--downloadonly", f"--setopt=destdir={PAYLOAD}/fetched", wanted)

    def _install(self, names: Sequence[str]) -> Iterator[Argv]:
        yield self._call("install", *names)
        if self.program == "yum":
            # It goes on without names that it does not know.
            yield ("rpm", "--query", "--whatprovides", *names)

    def _call(self, *words: str) -> Argv:
        where = ("--config", f"{CARE}/packages.conf") if self.configured else ()
        kept = () if self.configured else tuple(f"--setopt={option}" for option in _kept(self.program))
        return (self.program, "--assumeyes", *where, *kept, *words)


class Apt:
    """apt for what is named, dpkg for what is carried: in the order that the lock says."""

    def commands(self, step: PackageInstruction, *, carried: bool) -> Iterator[Argv]:
        """See `Manager.commands`."""
        match step:
            case Transaction(packages=()):
                return
            case Transaction() if carried:
                yield from _sums(step.packages)
                yield ("sh", DPKG, "install", *in_order(step))
            case Transaction(packages=packages):
                yield from self._install([f"{item.name}={item.evr}" for item in packages])
            case Bootstrap(packages=names) | Install(packages=names):
                yield from self._install([item.name for item in names])
            case UpdateAll():
                yield ("apt-get", "update")
                yield (*_APT, "dist-upgrade")
            case Uninstall(packages=names):
                yield ("sh", DPKG, "purge", *(item.name for item in names))
            case ImportKey(path=path):
                yield ("mkdir", "-p", "/etc/apt/trusted.gpg.d")
                yield ("cp", path, "/etc/apt/trusted.gpg.d/")

    def unpack(self, name: str, locked: LockedPackage | None, *, carried: bool) -> Iterator[Argv]:
        """See `Manager.unpack`."""
        yield ("mkdir", "-p", f"{PAYLOAD}/fetched", f"{PAYLOAD}/root")
        file = f"{POOL}/{locked.file}" if carried and locked else Glob(f"{PAYLOAD}/fetched/{name}_*.deb")
        if not (carried and locked):
            wanted = f"{name}={locked.evr}" if locked else name
            yield ("apt-get", "update")
            yield ("sh", VERBS, "within", f"{PAYLOAD}/fetched", "apt-get", "download", wanted)
        yield ("dpkg-deb", "--extract", file, f"{PAYLOAD}/root")

    def _install(self, names: Sequence[str]) -> Iterator[Argv]:
        yield ("apt-get", "update")
        yield (*_APT, "install", *names)


_QUIET = "DEBIAN_FRONTEND=noninteractive"
_APT = (
    "env", _QUIET, "apt-get", "--yes", "--no-install-recommends", "--allow-downgrades",
    "--option=Dpkg::Options::=--force-confold",
)  # fmt: skip
_KEPT = (f"cachedir={CARE}/cache", f"logdir={CARE}/log", f"persistdir={CARE}/state")
_KEPT_BY_DNF5 = (
    f"system_cachedir={CARE}/cache", f"system_state_dir={CARE}/state",
    f"transaction_history_dir={CARE}/state",
)  # fmt: skip


def _kept(program: str) -> tuple[str, ...]:
    """Where caches, logs and notes go. dnf 4 only warns of options of dnf5; dnf5 knows those of dnf 4."""
    return _KEPT if program == "yum" else (*_KEPT, *_KEPT_BY_DNF5)


def _sums(packages: Sequence[LockedPackage]) -> Iterator[Argv]:
    for item in packages:
        yield ("sh", VERBS, "checked", item.checksum.removeprefix("sha256:"), f"{POOL}/{item.file}")


# ── where packages come from ────────────────────────────────────────────────────────────────────────────────


def repositories(site: Site) -> str:
    """The configuration of dnf or yum within an image: the site's repositories, none of the image's own."""
    lines = [
        "[main]", "gpgcheck=1", "best=1", "install_weak_deps=0", "plugins=0", "reposdir=/dev/null",
        "obsoletes=1", "clean_requirements_on_remove=0", "keepcache=0",
        *_kept(site.installer), f"logfile={CARE}/yum.log",
    ]  # fmt: skip
    for item in site.repositories:
        where = f"file://{CARE}/repositories/{item.id}" if item.directory else item.url
        lines += ["", f"[{item.id}]", f"name={item.id}", f"baseurl={where}", *_key(item, site)]
    return "\n".join(lines) + "\n"


def key_is_carried(item: Repository, site: Site) -> bool:
    """Whether a repository's key is a file of the site, and so of the context."""
    within = site.inside and not site.locked and item.key.startswith("/")
    return bool(item.key) and "://" not in item.key and not within


def _key(item: Repository, site: Site) -> Iterator[str]:
    if not item.key:
        yield "gpgcheck=0"
    elif key_is_carried(item, site):
        yield f"gpgkey=file://{CARE}/keys/{item.id}"
    else:
        yield f"gpgkey={item.key if '://' in item.key else f'file://{item.key}'}"
