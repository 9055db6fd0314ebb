"""What buildsys asks of a package manager: the form that each plug-in fills in.

Nothing here names a manager. docs/how-to/add-a-package-manager.md walks through it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Protocol

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
from buildsys.shell import Command

PackageInstruction = Bootstrap | Install | Transaction | Uninstall | UpdateAll | ImportKey
Argv = tuple[str, ...]
"""The words of a command."""


@dataclass(frozen=True, slots=True)
class PackageFormat:
    """The format of package files."""

    suffix: str
    """How the names of its files end, without the dot."""
    installer: str
    """The program that installs its files in an image."""
    stand_ins: bool
    """Whether buildsys makes stand-in packages of this format."""
    signed: bool
    """Whether each file is signed. Otherwise the repository's index is, and the lock's checksums suffice."""
    build_time: Callable[[BinaryIO], int]
    """Reads from a file when it was built, in seconds since 1970.

    Raises:
        ValueError, struct.error: it is not a package.
    """


class Runtime(Protocol):
    """The verbs by which a plan installs packages: `plan/runtime/NAME.sh`."""

    @property
    def name(self) -> str:
        """The script, without its suffix; its functions begin with the same word."""
        ...

    @property
    def tools(self) -> tuple[str, ...]:
        """Programs of the host; `A|B` means the first one that is installed."""
        ...

    def command(self, step: PackageInstruction) -> Command:
        """The verb of one instruction; the words after it are names or files of packages."""
        ...

    def configuration(self, site: Site, keys: Mapping[str, str]) -> str:
        """The file `pool/repositories.conf` of a plan without a lock: the site's own repositories.

        `keys`: repository -> path of its public key; empty: it is not signed. In paths `@PLAN@` is the folder
        of the plan.
        """
        ...


class PackageManager(ABC):
    """All that sets one package manager apart from the others."""

    name: ClassVar[str]
    """The value of `installer:` in a site."""
    format: ClassVar[PackageFormat]
    solver: ClassVar[str]
    """The module that makes its locks: a `buildsys.lock.solver.Solver`, which imports it by this name.

    A name and no import: the room `lock` lies above this one.
    """
    always_locked: ClassVar[bool] = False
    """Whether it installs only what a lock names."""
    only_host: ClassVar[bool] = False
    """Whether packages come from the repositories of this host and from no others."""
    takes_host: ClassVar[bool] = True
    """Whether its solver can ask the repositories of this host."""
    into_base_images: ClassVar[bool] = True
    """Whether packages can be installed into an image that was built elsewhere."""

    programs: ClassVar[Argv]
    """Programs by which imported shell text calls this manager, such as `yum`."""
    update_installs: ClassVar[bool] = True
    """Whether `PROGRAM update` updates packages; otherwise it reads the index of the repositories."""
    caches: ClassVar[Argv] = ()
    """Paths that shell text removes with `rm -rf` after an installation; images built here have none."""

    enabled: ClassVar[Argv]
    """The command whose output names this host's enabled repositories, where `takes_host`."""
    listing: ClassVar[Argv]
    """A command that shows a person all repositories of this host, where `takes_host`."""

    begins: ClassVar[str] = ""
    """The word of `buildsys new --from` for packages of this host's repositories; empty: no set begins so."""
    new_site: ClassVar[str] = ""
    """The site of such a new set, without its name, as YAML."""

    @abstractmethod
    def host_repositories(self, output: str) -> tuple[str, ...]:
        """The names of this host's enabled repositories, from the output of `enabled`."""

    @abstractmethod
    def runtime(self, *, locked: bool) -> Runtime:
        """The verbs of a plan, with a lock or without one."""

    # ── in a Containerfile ──────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def commands(self, step: PackageInstruction, site: Site, *, carried: bool) -> Iterator[Argv]:
        """The commands of one instruction; `carried`: the files of locked packages lie in the context."""

    @abstractmethod
    def unpack(self, name: str, locked: LockedPackage | None, site: Site, *, carried: bool) -> Iterator[Argv]:
        """Commands that unpack a package below `build_folder.PAYLOAD` without installing it."""

    def configuration(self, site: Site) -> dict[str, str]:  # noqa: ARG002 - for managers that read one
        """Files of the site's repositories: path below `build_folder.CARE` -> text; none if it reads none."""
        return {}
