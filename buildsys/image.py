"""What an image IS once everything is resolved: names, instructions, configuration.

All types here are frozen and complete: no field means "default". What a person wrote, with its
optional parts, lives in `buildsys.recipe`; `buildsys.resolve` turns the one into the other.
`Instruction` is a closed union: whoever renders it ends in `assert_never`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from buildsys.diagnostics import NOWHERE, Spot

NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
"""An image's name: what make, the shell, a file name and a registry all take without quoting."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """`registry/namespace/prefixname:tag`, as in the OCI distribution specification."""

    registry: str
    namespace: str
    prefix: str
    name: str
    tag: str

    @property
    def stem(self) -> str:
        """What stands before the image's name: equal for all images of a set."""
        return f"{self.registry}/{self.namespace}/{self.prefix}"

    def __str__(self) -> str:
        return f"{self.stem}{self.name}:{self.tag}"


@dataclass(frozen=True, slots=True)
class PackageName:
    """A package a recipe asks for, and where it asks."""

    name: str
    spot: Spot = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One package exactly: which build of it, from which repository, and the checksum of its file."""

    name: str
    epoch: str
    version: str
    release: str
    arch: str
    repository: str
    checksum: str
    """`sha256:HEX`."""
    location: str
    """Path of the file below the repository's root."""
    size: int = 0
    """Bytes of the file; 0: not told."""
    source: str = ""
    """File name of the source package it was built from."""

    @property
    def evr(self) -> str:
        """`epoch:version-release`; a zero epoch is left out, as rpm does."""
        epoch = "" if self.epoch in {"", "0"} else f"{self.epoch}:"
        return f"{epoch}{self.version}-{self.release}"

    @property
    def nevra(self) -> str:
        """`name-epoch:version-release.arch`."""
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def file(self) -> str:
        """Name of the package's file."""
        return self.location.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Account:
    """A declared account: written into passwd, group, shadow and gshadow as data, no dates."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    groups: tuple[str, ...] = ()


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
    """Install packages in one transaction; what an ancestor holds already is no error."""

    packages: tuple[PackageName, ...]


@dataclass(frozen=True, slots=True)
class Transaction(_Instruction):
    """Install exactly these packages: what Bootstrap, Install and UpdateAll become under a lock."""

    packages: tuple[LockedPackage, ...]
    requested: tuple[PackageName, ...]
    """What the recipe asked for; the other packages came along."""


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


# Files ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CopyContext(_Instruction):
    """Copy a file or directory of the set's context (`source`, relative to its `files/`) into the image."""

    source: str
    to: str
    mode: str
    owner: str


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
    """Run a program inside the image: for what data cannot say. No network."""

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
)


# Configuration ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Docker's health check: `command` is the whole test, `CMD` or `CMD-SHELL` first; times in seconds."""

    command: tuple[str, ...]
    interval: float = 0
    timeout: float = 0
    start_period: float = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class OciConfig:
    """What this image sets on top of its parent's configuration. None and empty: inherited."""

    user: str | None = None
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    healthcheck: HealthCheck | None = None
    stop_signal: str | None = None
    volumes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    workdir: str | None = None


@dataclass(frozen=True, slots=True)
class ParentImage:
    """The parent is another image of the set."""

    name: str


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The parent is an image built elsewhere, to be pulled (`docker.io/library/centos:7`)."""

    reference: str


@dataclass(frozen=True, slots=True)
class EmptyRoot:
    """The parent is nothing: the image begins with a Bootstrap."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a set, resolved: what it starts from, what is done to it, how it is configured."""

    name: str
    reference: ImageReference
    parent: ParentImage | BaseImage | EmptyRoot
    instructions: tuple[Instruction, ...]
    config: OciConfig
    profiles: tuple[str, ...] = ()
    spot: Spot = field(default=NOWHERE, compare=False)
    parent_spot: Spot = field(default=NOWHERE, compare=False)
    spots: Mapping[str, Spot] = field(default_factory=dict, compare=False)
    """Where each value of `config` was written: `user`, `labels.name`, `ports.80/tcp`."""

    def dependencies(self) -> dict[str, Spot]:
        """Names of the images of the set this one reads, each with the Spot that says so: parent first."""
        found: dict[str, Spot] = {}
        if isinstance(self.parent, ParentImage):
            found[self.parent.name] = self.parent_spot
        for step in self.instructions:
            if isinstance(step, CopyImage):
                found.setdefault(step.image, step.spot)
        return found


# Where packages come from -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Repository:
    """A package repository a build may use.

    `directory` (a local tree, carried in the plan's pool) or `url`, never both; `key` is a public key: a file
    carried in the plan, a URL, a path of the image where the installer runs inside; empty when unsigned.
    """

    id: str
    directory: str
    url: str
    key: str
    checksum: str
    """Content hash of the repository's metadata where it is known without network, else empty."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where packages and base images come from, resolved.

    `installer` names the package manager (a table line of `buildsys.packages`); `inside` says whether it
    runs within the image (rdo's yum) or on the host against the mounted root.
    """

    name: str
    installer: str
    inside: bool
    repositories: tuple[Repository, ...]
    host_repositories: bool
    downloads: Mapping[str, str]
    """URL -> local file; a URL that is missing here is fetched by the plan."""
    gems: tuple[str, ...]
    """Local gem files."""
    stand_ins: bool
    release: str = ""
    """Release version that repository addresses may name; empty: the host's."""
    locked: bool = False
    """Whether every package is named exactly, by file and checksum."""
    pool: str = ""
    """Folder of verified packages, `SHA256.rpm` each; empty: they lie in the repositories' own directories."""
    left_out: tuple[str, ...] = ()
    """Repositories that the site does without: some images may be impossible there."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """URL of a download -> where the plan fetches it from, when that is elsewhere."""
    notes: tuple[str, ...] = ()
    """Sentences the summary repeats: stand-ins, repositories left out, unverified downloads."""


Format = Literal["docker", "oci"]


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A resolved image set: what `plan.compile` and the exporters start from."""

    name: str
    format: Format
    epoch: int
    """Seconds since 1970; no file of a layer is newer."""
    directory: str
    """The set's folder, the root of its context."""
    site: Site
    images: Mapping[str, Image]
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
