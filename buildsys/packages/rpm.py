"""RPM packages: what dnf and yum have in common, and how the host's rpm installs exact files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

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
from buildsys.packages.build_folder import CARE, PAYLOAD, POOL, VERBS, checked, key_is_carried
from buildsys.packages.manager import Argv, PackageFormat, PackageInstruction, PackageManager
from buildsys.packages.rpm_payload import build_time
from buildsys.shell import Command, Glob

RPM = PackageFormat("rpm", installer="rpm", stand_ins=True, signed=True, build_time=build_time)
TOOLS = ("rpm", "rpmkeys", "rpm2archive")


@dataclass(frozen=True, slots=True)
class RpmRuntime:
    """The verbs of `plan/runtime/NAME.sh`, which are the same for dnf, yum and rpm."""

    name: str
    tools: tuple[str, ...] = TOOLS

    def command(self, step: PackageInstruction) -> Command:
        """See `buildsys.packages.manager.Runtime.command`."""
        match step:
            case Bootstrap(packages=packages):
                return self._command("bootstrap", *(item.name for item in packages))
            case Install(packages=packages):
                return self._command("install", *(item.name for item in packages))
            case Transaction(packages=locked):
                return self._command("transaction", *(item.file for item in locked))
            case Uninstall(packages=packages, optional=optional):
                flag = ("--optional",) if optional else ()
                return self._command("remove", *flag, *(item.name for item in packages))
            case UpdateAll():
                return self._command("update")
            case ImportKey(path=path):
                return self._command("import_key", path)

    def configuration(self, site: Site, keys: Mapping[str, str]) -> str:
        """See `buildsys.packages.manager.Runtime.configuration`: the repositories of the site only."""
        lines = [
            "[main]", "gpgcheck=1", "localpkg_gpgcheck=1", "best=1", "skip_if_unavailable=0",
            "install_weak_deps=0", "installonly_limit=0", "plugins=0", "reposdir=/dev/null",
            "varsdir=/dev/null", "color=never", "obsoletes=1", "deltarpm=0", "clean_requirements_on_remove=0",
            "retries=3",
            # The private /dev of the root takes all files but those of packages, and is gone afterwards.
            "cachedir=/dev/buildsys/cache", "logdir=/dev/buildsys/log", "persistdir=/dev/buildsys/state",
            # A run asks the repositories once, when it begins; see plan/runtime/repositories.sh.
            "keepcache=1", "metadata_expire=never",
        ]  # fmt: skip
        for item in site.repositories:
            where = f"file://@PLAN@/pool/repos/{item.id}" if item.directory else item.url
            key = f"gpgkey=file://{keys[item.id]}" if keys[item.id] else "gpgcheck=0"
            lines += ["", f"[{item.id}]", f"name={item.id}", f"baseurl={where}", key]
        return "\n".join(lines) + "\n"

    def _command(self, verb: str, *words: str) -> Command:
        return Command((f"{self.name}_{verb}", *words))


class RpmManager(PackageManager):
    """A package manager that solves by itself and leaves exact files to rpm."""

    format = RPM
    solver = "buildsys.lock.dnf_solver"

    solving: ClassVar[RpmRuntime]
    """The verbs of a plan without a lock."""
    program: ClassVar[str]
    """How it is called in a Containerfile."""
    upgrade: ClassVar[str]
    """Its verb that updates all packages."""
    kept: ClassVar[tuple[str, ...]] = (
        f"cachedir={CARE}/cache",
        f"logdir={CARE}/log",
        f"persistdir={CARE}/state",
    )
    """Options that keep caches, logs and state out of the image."""
    fetched: ClassVar[str] = "fetched"
    """Folder below `PAYLOAD` into which it downloads; may be a pattern."""

    def host_repositories(self, output: str) -> tuple[str, ...]:
        """See `PackageManager.host_repositories`."""
        lines = output.splitlines()
        return tuple(line.split()[0] for line in lines if line and not line.startswith("repo id"))

    def runtime(self, *, locked: bool) -> RpmRuntime:
        """See `PackageManager.runtime`. Under a lock nothing is left to solve, and rpm alone installs."""
        return RpmRuntime("rpm") if locked else self.solving

    # ── in a Containerfile ──────────────────────────────────────────────────────────────────────────────────

    def commands(self, step: PackageInstruction, site: Site, *, carried: bool) -> Iterator[Argv]:
        """See `PackageManager.commands`."""
        match step:
            case Transaction(packages=()):
                return
            case Transaction(packages=packages) if carried:
                yield from checked(packages)
                files = (f"{POOL}/{item.file}" for item in packages)
                yield ("rpm", "--upgrade", "--oldpackage", "--nosignature", *files)
            case Transaction(packages=packages):
                yield from self.install([self.exact(item) for item in packages], site)
            case Bootstrap(packages=names) | Install(packages=names):
                yield from self.install([item.name for item in names], site)
            case UpdateAll():
                yield from self.update(site)
            case Uninstall(packages=names, optional=True):
                yield ("sh", VERBS, "erase", *(item.name for item in names))
            case Uninstall(packages=names):
                yield ("rpm", "--erase", *(item.name for item in names))
            case ImportKey(path=path):
                yield ("rpm", "--import", path)

    def unpack(self, name: str, locked: LockedPackage | None, site: Site, *, carried: bool) -> Iterator[Argv]:
        """See `PackageManager.unpack`."""
        yield ("mkdir", "-p", f"{PAYLOAD}/fetched", f"{PAYLOAD}/root")
        file = (
            f"{POOL}/{locked.file}"
            if carried and locked
            else Glob(f"{PAYLOAD}/{self.fetched}/{name}-[0-9]*.rpm")
        )
        if not (carried and locked):
            yield from self.fetch(self.exact(locked) if locked else name, site)
        words = ("--install", "--nodeps", "--noscripts", "--notriggers", "--nosignature")
        yield ("rpm", "--root", f"{PAYLOAD}/root", *words, file)

    def exact(self, package: LockedPackage) -> str:
        """How one build of a package is named."""
        return package.nevra

    def install(self, names: Sequence[str], site: Site) -> Iterator[Argv]:
        """Commands that install packages."""
        yield self.call(site, "install", *names)

    def update(self, site: Site) -> Iterator[Argv]:
        """Commands that update all packages."""
        yield self.call(site, self.upgrade)

    def fetch(self, wanted: str, site: Site) -> Iterator[Argv]:
        """Commands that download a package to `PAYLOAD/fetched`."""
        yield self.call(site, "install", "--downloadonly", f"--downloaddir={PAYLOAD}/fetched", wanted)

    def call(self, site: Site, *words: str) -> Argv:
        """The command line of the manager itself."""
        configured = bool(site.repositories) and not site.host_repositories
        where = ("--config", f"{CARE}/packages.conf") if configured else ()
        kept = () if configured else tuple(f"--setopt={option}" for option in self.kept)
        return (self.program, "--assumeyes", *where, *kept, *words)

    def configuration(self, site: Site) -> dict[str, str]:
        """See `PackageManager.configuration`: the site's repositories, and none of the image's own."""
        lines = [
            "[main]", "gpgcheck=1", "best=1", "install_weak_deps=0", "plugins=0", "reposdir=/dev/null",
            "obsoletes=1", "clean_requirements_on_remove=0", "keepcache=0",
            *self.kept, f"logfile={CARE}/yum.log",
        ]  # fmt: skip
        for item in site.repositories:
            where = f"file://{CARE}/repositories/{item.id}" if item.directory else item.url
            lines += ["", f"[{item.id}]", f"name={item.id}", f"baseurl={where}"]
            lines.append(f"gpgkey={key_address(item, site)}" if item.key else "gpgcheck=0")
        return {"packages.conf": "\n".join(lines) + "\n"}


def key_address(item: Repository, site: Site) -> str:
    """The address of a repository's key within the image."""
    if key_is_carried(item, site):
        return f"file://{CARE}/keys/{item.id}"
    return item.key if "://" in item.key else f"file://{item.key}"
