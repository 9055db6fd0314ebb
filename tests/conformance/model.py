"""What a built image is to the checks: configuration, file tree, packages. Read once, never written.

Paths are absolute inside the image. `Tree` answers about *canonical* paths only, those whose parents are
real directories; `paths.py` makes them. So no link of an image is ever followed out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Kind = Literal["file", "directory", "link", "other"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a tree, itself and not what a link points to."""

    kind: Kind
    mode: int = 0o644
    user: int = 0
    group: int = 0
    target: str = ""
    read: Callable[[], bytes] = field(default=bytes, compare=False)


class Tree(Protocol):
    """A file tree; both methods take a canonical path."""

    def entry(self, path: str) -> Entry | None:
        """What the path names, None when it names nothing."""

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted; empty for anything else."""


@dataclass(frozen=True, slots=True)
class MemoryTree:
    """A tree that is all in memory."""

    entries: Mapping[str, Entry]
    children: Mapping[str, tuple[str, ...]]

    def entry(self, path: str) -> Entry | None:
        return self.entries.get(path)

    def names(self, path: str) -> tuple[str, ...]:
        return self.children.get(path, ())


def memory_tree(entries: Mapping[str, Entry]) -> MemoryTree:
    """A tree of these entries; each must stand in a directory that is also among them."""
    children: dict[str, list[str]] = {}
    for path in entries:
        if path != "/":
            parent, _, name = path.rpartition("/")
            children.setdefault(parent or "/", []).append(name)
    return MemoryTree(dict(entries), {path: tuple(sorted(names)) for path, names in children.items()})


@dataclass(frozen=True, slots=True)
class AlteredTree:
    """Another tree with some paths changed (an Entry) or gone (None, with all below)."""

    tree: Tree
    changes: Mapping[str, Entry | None]

    def entry(self, path: str) -> Entry | None:
        for changed, change in self.changes.items():
            if path == changed:
                return change
            if change is None and path.startswith(changed + "/"):
                return None
        return self.tree.entry(path)

    def names(self, path: str) -> tuple[str, ...]:
        here = path.rstrip("/") + "/"
        added = {
            changed.removeprefix(here)
            for changed, change in self.changes.items()
            if change is not None and changed.startswith(here) and "/" not in changed.removeprefix(here)
        }
        return tuple(sorted(name for name in {*self.tree.names(path), *added} if self.entry(here + name)))


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file as its package recorded it; `sha256` is empty for what is no regular file."""

    path: str
    mode: int
    user: str
    group: str
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Package:
    """An installed package."""

    name: str
    epoch: str
    version: str
    release: str
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    files: tuple[OwnedFile, ...] = ()

    @property
    def evr(self) -> str:
        """`epoch:version-release`."""
        return f"{self.epoch}:{self.version}-{self.release}"


@dataclass(frozen=True, slots=True)
class Deviation:
    """A line of `rpm -Va`: the path, and `missing` or the letters of what differs."""

    path: str
    flags: str


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of an image; empty means not set."""

    user: str = ""
    cmd: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    healthcheck: tuple[str, ...] = ()
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class BuiltImage:
    """One built image."""

    name: str
    layers: tuple[str, ...]
    config: Config
    tree: Tree
    packages: Mapping[str, Package]
    keys: frozenset[str]
    """Short ids of the public keys in the package database."""
    deviations: tuple[Deviation, ...] = ()
    complaints: tuple[str, ...] = ()
    """Whatever else `rpm -Va` says: dependencies that are not met."""
