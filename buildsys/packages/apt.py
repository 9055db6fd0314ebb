"""apt: solves when the lock is made; the image's own dpkg installs the files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, ClassVar

from buildsys.image import (
    Bootstrap,
    ImportKey,
    Install,
    LockedPackage,
    Site,
    Transaction,
    Uninstall,
    UpdateAll,
)
from buildsys.packages.build_folder import DPKG, PAYLOAD, POOL, VERBS, checked
from buildsys.packages.manager import Argv, PackageFormat, PackageInstruction, PackageManager
from buildsys.shell import Command, Glob


def build_time(package: BinaryIO) -> int:
    """When a package was built: the time of the first member of its archive, see deb(5) and ar(5).

    Raises:
        ValueError: it is not a package.
    """
    head = package.read(68)
    if not (head.startswith(b"!<arch>\ndebian-binary") and head.endswith(b"`\n")):
        raise ValueError("not a package of Debian")
    return int(head[24:36])


DEB = PackageFormat("deb", installer="dpkg", stand_ins=False, signed=False, build_time=build_time)
CONFIGURE = "--configure="
"""Begins a word between files of packages: those that are configured before more are unpacked."""


class AptRuntime:
    """The verbs of `plan/runtime/apt.sh`, which installs only locked packages."""

    name = "apt"
    tools = ("dpkg-deb",)

    def command(self, step: PackageInstruction) -> Command:
        """See `buildsys.packages.manager.Runtime.command`."""
        match step:
            case Transaction(bootstrap=True, packages=packages):
                return Command(("apt_bootstrap", *(item.file for item in packages)))
            case Transaction():
                return Command(("apt_transaction", *_in_order(step)))
            case Uninstall(packages=names, optional=optional):
                flag = ("--optional",) if optional else ()
                return Command(("apt_remove", *flag, *(item.name for item in names)))
            case ImportKey(path=path):
                return Command(("apt_import_key", path))
            case Bootstrap() | Install() | UpdateAll():
                raise AssertionError(f"{step} is not locked")

    def configuration(self, site: Site, keys: Mapping[str, str]) -> str:
        """See `buildsys.packages.manager.Runtime.configuration`; a plan with a lock needs none."""
        raise AssertionError(f"the site {site.name} is not locked: {keys}")


class Apt(PackageManager):
    """apt for names of packages, dpkg for their files, in the order of the lock."""

    name = "apt"
    format = DEB
    solver = "buildsys.lock.apt_solver"
    always_locked = True
    only_host = True
    into_base_images = False

    programs: ClassVar[Argv] = ("apt", "apt-get")
    update_installs = False
    caches: ClassVar[Argv] = ("/var/lib/apt/lists/*",)
    enabled: ClassVar[Argv] = ("apt-get", "update", "--quiet", "--print-uris")
    listing: ClassVar[Argv] = ("apt-cache", "policy")
    begins = "debian"
    new_site = """\
about: Packages of the apt sources of this host.
installer: apt
base: {bootstrap: [adduser, netbase, usr-is-merged]}   # and what Debian calls essential
repositories: host
"""

    def host_repositories(self, output: str) -> tuple[str, ...]:
        """See `PackageManager.host_repositories`: of an address the part behind `dists` names the source."""
        names = re.findall(r"'[^']*?(?:/dists/([^']*))?/(?:In)?Release'", output)
        return tuple(dict.fromkeys(name or "flat" for name in names))

    def runtime(self, *, locked: bool) -> AptRuntime:  # noqa: ARG002 - the same with a lock and without
        """See `PackageManager.runtime`."""
        return AptRuntime()

    # ── in a Containerfile ──────────────────────────────────────────────────────────────────────────────────

    def commands(self, step: PackageInstruction, site: Site, *, carried: bool) -> Iterator[Argv]:  # noqa: ARG002
        """See `PackageManager.commands`."""
        match step:
            case Transaction(packages=()):
                return
            case Transaction() if carried:
                yield from checked(step.packages)
                yield ("sh", DPKG, "install", *_in_order(step))
            case Transaction(packages=packages):
                yield from _install([f"{item.name}={item.evr}" for item in packages])
            case Bootstrap(packages=names) | Install(packages=names):
                yield from _install([item.name for item in names])
            case UpdateAll():
                yield ("apt-get", "update")
                yield (*_APT, "dist-upgrade")
            case Uninstall(packages=names):
                yield ("sh", DPKG, "purge", *(item.name for item in names))
            case ImportKey(path=path):
                yield ("mkdir", "-p", "/etc/apt/trusted.gpg.d")
                yield ("cp", path, "/etc/apt/trusted.gpg.d/")

    def unpack(
        self,
        name: str,
        locked: LockedPackage | None,
        site: Site,  # noqa: ARG002 - packages come from the image's own sources
        *,
        carried: bool,
    ) -> Iterator[Argv]:
        """See `PackageManager.unpack`."""
        yield ("mkdir", "-p", f"{PAYLOAD}/fetched", f"{PAYLOAD}/root")
        file = f"{POOL}/{locked.file}" if carried and locked else Glob(f"{PAYLOAD}/fetched/{name}_*.deb")
        if not (carried and locked):
            wanted = f"{name}={locked.evr}" if locked else name
            yield ("apt-get", "update")
            yield ("sh", VERBS, "within", f"{PAYLOAD}/fetched", "apt-get", "download", wanted)
        yield ("dpkg-deb", "--extract", file, f"{PAYLOAD}/root")


def _install(names: Sequence[str]) -> Iterator[Argv]:
    yield ("apt-get", "update")
    yield (*_APT, "install", *names)


_APT = (
    "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--no-install-recommends",
    "--allow-downgrades", "--option=Dpkg::Options::=--force-confold",
)  # fmt: skip


def _in_order(step: Transaction) -> Iterator[str]:
    """The files of a transaction in the order in which dpkg unpacks them, and what it configures between."""
    early = dict(step.early)
    for count, item in enumerate(step.packages):
        if count in early:
            yield CONFIGURE + ",".join(early[count])
        yield item.file
