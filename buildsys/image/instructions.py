"""The instructions of an image: a closed union of complete, frozen members.

Each renderer ends in `assert_never`, so mypy finds those that lack a new member.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Spot
from buildsys.image.build_file import ContextFolder, HereFile, NamedImage, OtherImage, Secret
from buildsys.image.names import Account, LockedPackage, PackageName
from buildsys.logins import Login


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instruction:
    spot: Spot = field(default=NOWHERE, compare=False)


# Packages ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bootstrap(_Instruction):
    """Fill an empty root from the host's package manager with these packages."""

    packages: tuple[PackageName, ...]


@dataclass(frozen=True, slots=True)
class Install(_Instruction):
    """Install packages in one transaction; a package that an ancestor has already is not an error."""

    packages: tuple[PackageName, ...]


@dataclass(frozen=True, slots=True)
class Transaction(_Instruction):
    """Install exactly these packages: what Bootstrap, Install and UpdateAll become under a lock."""

    packages: tuple[LockedPackage, ...]
    requested: tuple[PackageName, ...]
    """What the recipe asked for; the other packages came along."""
    bootstrap: bool = False
    """Whether the root is empty before."""
    early: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """See `buildsys.lock.lockfile.LockedStep`."""


@dataclass(frozen=True, slots=True)
class Uninstall(_Instruction):
    """Remove packages; one that is not installed fails the step unless optional."""

    packages: tuple[PackageName, ...]
    optional: bool


@dataclass(frozen=True, slots=True)
class UpdateAll(_Instruction):
    """Update every installed package to the newest the site offers."""


@dataclass(frozen=True, slots=True)
class WriteRepository(_Instruction):
    """Write one repository file into the image; it does not change where this build installs from."""

    file: str
    id: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DisableRepository(_Instruction):
    """Set `enabled=0` for a repository of the image's own configuration."""

    id: str
    optional: bool


@dataclass(frozen=True, slots=True)
class ImportKey(_Instruction):
    """Import a public key, a file inside the image, into the image's package database."""

    path: str


@dataclass(frozen=True, slots=True)
class InstallGems(_Instruction):
    """Install Ruby gems (`name` or `name:constraint`) from the site's checksummed files, without network."""

    gems: tuple[str, ...]
    flags: tuple[str, ...]
    open_files: int
    """Limit of open files during this instruction only; 0 leaves it as it is."""


# A Containerfile -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Containerfile(_Instruction):
    """Build the whole image by a Containerfile: the image's only instruction."""

    folder: str
    """Its context: its folder."""
    name: str
    """Name of the file in that folder."""
    text: str
    """Its text, with the variables of FROM filled in."""
    lines: tuple[tuple[str, str], ...]
    """Its instructions: word and value."""
    images: tuple[NamedImage, ...]
    others: tuple[OtherImage, ...]
    arguments: tuple[tuple[str, str], ...]
    """Values of its ARGs."""
    dated: bool
    """Whether it declares SOURCE_DATE_EPOCH."""
    network: bool
    plain: str = ""
    """The text for the builder, without syntax that it does not know; empty: `text` with other names."""
    documents: tuple[HereFile, ...] = ()
    contexts: tuple[ContextFolder, ...] = ()
    secrets: tuple[Secret, ...] = ()
    based: bool = False
    """Whether a stage begins with another one."""
    spots: tuple[Spot, ...] = field(default=(), compare=False)
    """The Spot of each item of `lines`."""
    triggers: tuple[Spot, ...] = field(default=(), compare=False)
    """The first ONBUILD of its last stage."""


# Files ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CopyContext(_Instruction):
    """Copy a file or directory of the set's context (`source`, relative to its `files/`) into the image."""

    source: str
    to: str
    mode: str
    owner: str
    folder: str = ""
    """The `files/` of the overlay that brings it; empty: the set's own."""

    def path(self, directory: str) -> Path:
        """Where it lies, for a set in `directory`."""
        return Path(self.folder or f"{directory}/files", self.source)


@dataclass(frozen=True, slots=True)
class CopyImage(_Instruction):
    """Copy a path of another image of the set; that image becomes a dependency like the parent."""

    image: str
    source: str
    to: str
    mode: str
    owner: str


@dataclass(frozen=True, slots=True)
class CopyPayload(_Instruction):
    """Copy a file out of a package's payload without installing the package."""

    package: PackageName
    source: str
    to: str
    mode: str
    owner: str
    locked: LockedPackage | None = None
    """The exact package, under a lock; else the newest the site has."""


@dataclass(frozen=True, slots=True)
class CopyInside(_Instruction):
    """Copy paths (globs allowed) within the image; `preserve` keeps mode, owner and times."""

    source: str
    to: str
    preserve: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class MakeDirectory(_Instruction):
    """Make directories with their parents; an existing one is taken as it is. Empty mode, owner: leave."""

    paths: tuple[str, ...]
    mode: str
    owner: str


@dataclass(frozen=True, slots=True)
class ChangeMode(_Instruction):
    """chmod of paths or globs; a path or glob that names nothing fails the step unless optional."""

    paths: tuple[str, ...]
    mode: str
    recursive: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class ChangeOwner(_Instruction):
    """chown of paths or globs; a path or glob that names nothing fails the step unless optional."""

    paths: tuple[str, ...]
    owner: str
    recursive: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class Symlink(_Instruction):
    """Make a symbolic link; something else in its place fails the step unless `force`."""

    link: str
    target: str
    force: bool


@dataclass(frozen=True, slots=True)
class Touch(_Instruction):
    """Make sure files exist; an existing one is not changed. Empty mode: leave."""

    paths: tuple[str, ...]
    mode: str


@dataclass(frozen=True, slots=True)
class RemovePath(_Instruction):
    """Remove paths or globs; one that names nothing fails the step unless optional."""

    paths: tuple[str, ...]
    recursive: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class MovePath(_Instruction):
    """Move a path within the image."""

    source: str
    to: str


@dataclass(frozen=True, slots=True)
class CommentLines(_Instruction):
    """Put `#` before every line an extended regular expression matches; no match fails unless optional."""

    file: str
    pattern: str
    optional: bool


@dataclass(frozen=True, slots=True)
class ReplaceLines(_Instruction):
    """Replace what an extended regular expression matches in a file's lines.

    `replacement` is sed's: `&` and `\\1` stand for what matched. A file left unchanged fails unless optional.
    """

    file: str
    pattern: str
    replacement: str
    optional: bool


@dataclass(frozen=True, slots=True)
class AppendLines(_Instruction):
    """Append lines to a file, made if it is missing."""

    file: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AppendFile(_Instruction):
    """Append the content of one file of the image to another of the image."""

    file: str
    source: str


@dataclass(frozen=True, slots=True)
class Require(_Instruction):
    """Fail the step unless a line of the file matches an extended regular expression."""

    file: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Download(_Instruction):
    """Put a file from the plan's pool, checksummed, into the image.

    `url` names what it is; the site decides where the bytes come from. An empty `sha256` means the
    site declares the download unverified, which the summary repeats.
    """

    url: str
    sha256: str
    to: str
    mode: str
    login: Login | None = field(default=None, repr=False, compare=False)
    """Credentials from the URL, for fetching; they are never part of a plan."""


# Accounts and the rest --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeclareAccounts(_Instruction):
    """Write accounts with fixed numbers; one that exists with other numbers fails the step."""

    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class ChangeAccount(_Instruction):
    """Change an existing account: home and shell (empty: leave), groups it joins."""

    name: str
    home: str
    shell: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run(_Instruction):
    """Run a program inside the image, without network."""

    argv: tuple[str, ...]
    open_files: int
    """Limit of open files during this instruction only; 0 leaves it as it is."""


Instruction = (
    Bootstrap
    | Install
    | Transaction
    | Uninstall
    | UpdateAll
    | WriteRepository
    | DisableRepository
    | ImportKey
    | InstallGems
    | CopyContext
    | CopyImage
    | CopyPayload
    | CopyInside
    | MakeDirectory
    | ChangeMode
    | ChangeOwner
    | Symlink
    | Touch
    | RemovePath
    | MovePath
    | CommentLines
    | ReplaceLines
    | AppendLines
    | AppendFile
    | Require
    | Download
    | DeclareAccounts
    | ChangeAccount
    | Run
    | Containerfile
)
