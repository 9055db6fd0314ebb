"""Names, references, packages and accounts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

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


def qualified(reference: str) -> str:
    """A reference with its registry: without one, container tools mean Docker Hub, `docker.io/library`."""
    first, slash, _ = reference.partition("/")
    if not slash:
        return f"docker.io/library/{reference}"
    return reference if set(first) & set(".:") or first == "localhost" else f"docker.io/{reference}"


@dataclass(frozen=True, slots=True)
class PackageName:
    """A package that a recipe requests, with the Spot of the request."""

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
    """Bytes of the file; 0: unknown."""
    source: str = ""
    """The source package it was built from: its file, or `NAME_VERSION` where that has several."""
    installed: int = 0
    """Bytes of its files once they are installed; 0: unknown."""
    licence: str = ""
    """As the repository's metadata has it; empty: unknown. Debian's has none."""

    @property
    def evr(self) -> str:
        """`epoch:version-release`; a zero epoch and an empty release are left out."""
        epoch = "" if self.epoch in {"", "0"} else f"{self.epoch}:"
        return f"{epoch}{self.version}{self.release and '-'}{self.release}"

    @property
    def nevra(self) -> str:
        """`name-epoch:version-release.arch`."""
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def file(self) -> str:
        """Name of the package's file."""
        return self.location.rsplit("/", 1)[-1]

    @property
    def pooled(self) -> str:
        """Name of the package's file in a pool: its checksum and its ending."""
        return f"{self.checksum.partition(':')[2]}.{self.file.rpartition('.')[2]}"


@dataclass(frozen=True, slots=True)
class Account:
    """A declared account: written into passwd, group, shadow and gshadow as data, no dates."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    groups: tuple[str, ...] = ()
