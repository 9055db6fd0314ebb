"""A scene: one built image beside the facts of it and of all its ancestors.

It answers what every check asks: which events led to this image, in which order; when a package and
with it a file came; which accounts there are.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from . import paths
from .facts import Event, Facts, ImageFacts, Transaction
from .model import BuiltImage, Entry, OwnedFile, Package, Tree


@dataclass(frozen=True, slots=True)
class Passwd:
    """A line of /etc/passwd."""

    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True, slots=True)
class Group:
    """A line of /etc/group."""

    gid: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """An image, its facts and the scene of its parent."""

    facts: Facts
    built: BuiltImage
    parent: Scene | None

    @property
    def name(self) -> str:
        return self.built.name

    @property
    def tree(self) -> Tree:
        return self.built.tree

    @property
    def own(self) -> ImageFacts:
        return self.facts.images[self.name]

    def lineage(self) -> Iterator[Scene]:
        """The image, then its ancestors up to the base."""
        yield self
        if self.parent:
            yield from self.parent.lineage()

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Every event from the empty base to this image, in order."""
        return (*(self.parent.events if self.parent else ()), *self.own.events)

    @cached_property
    def places(self) -> Mapping[int, int]:
        """The place of each event in `events`, by identity."""
        return {id(event): place for place, event in enumerate(self.events)}

    def entry(self, path: str) -> Entry | None:
        """What a canonical path names."""
        return self.tree.entry(path)

    # Packages -------------------------------------------------------------------------------------

    @cached_property
    def arrivals(self) -> Mapping[str, Transaction | None]:
        """The transaction that brought each package this image has over its parent, or has newer.

        A dependency came with the first transaction that leads to it. None: nothing the facts name leads to
        it; in the base that is what the base began with.
        """
        before = self.parent.built.packages if self.parent else {}
        new = {name: item for name, item in self.built.packages.items() if not _same(item, before.get(name))}
        transactions = [event for event in self.own.events if isinstance(event, Transaction)]
        arrived: dict[str, Transaction | None] = dict.fromkeys(new)
        if not self.parent:
            # centos:7 and an empty root begin with different packages: only those named are certain.
            return arrived | {name: item for item in transactions for name in item.packages if name in new}
        providers: dict[str, list[str]] = {}
        for name, package in new.items():
            for capability in (*(file.path for file in package.files), *package.provides):
                providers.setdefault(capability, []).append(name)
        for transaction in transactions:
            waiting = [name for name in transaction.packages if name in new]
            while waiting:
                name = waiting.pop()
                if arrived[name] is None:
                    arrived[name] = transaction
                    waiting += [other for needed in new[name].requires for other in providers.get(needed, ())]
        return arrived

    @cached_property
    def _brought(self) -> Mapping[str, tuple[tuple[Package, OwnedFile], ...]]:
        """Files of the packages this image has over its parent, by canonical path."""
        folders: dict[str, str] = {}
        found: dict[str, tuple[tuple[Package, OwnedFile], ...]] = {}
        for name in self.arrivals:
            package = self.built.packages[name]
            for file in package.files:
                folder, base = posixpath.split(file.path)
                if folder not in folders:
                    folders[folder] = paths.canonical(self.tree, folder, follow=True)
                path = posixpath.join(folders[folder], base)
                found[path] = (*found.get(path, ()), (package, file))
        return found

    def owners(self, path: str) -> Iterator[tuple[Scene, Package, OwnedFile]]:
        """The packages that own a canonical path, each with the scene of the image that installed it."""
        for scene in self.lineage():
            for package, file in scene._brought.get(path, ()):
                yield scene, package, file

    @cached_property
    def _births(self) -> Mapping[str, int]:
        """When the packages this image brought made each path, or what is below it: a place in `events`."""
        found: dict[str, int] = {}
        for owned, owners in self._brought.items():
            path = owned
            place = min(self.arrived(package.name) for package, _ in owners)
            while place < found.get(path, len(self.events)):
                found[path] = place
                path = posixpath.dirname(path)
        return found

    def arrived(self, package: str) -> int:
        """The place in `events` at which this image got a package it has over its parent; -1: before all."""
        transaction = self.arrivals[package]
        if transaction is not None:
            return self.places[id(transaction)]
        # Nothing in the facts leads to it: the base began with it, or it came as the image began.
        return self.places[id(self.own.events[0])] if self.parent and self.own.events else -1

    def packaged_since(self, path: str) -> int:
        """The first place at which a package made a canonical path or something below it."""
        return min(scene._births.get(path, len(self.events)) for scene in self.lineage())

    def owned(self) -> Iterator[str]:
        """Every canonical path a package owns."""
        for scene in self.lineage():
            yield from scene._brought

    # Accounts -------------------------------------------------------------------------------------

    @cached_property
    def passwd(self) -> Mapping[str, Passwd]:
        found: dict[str, Passwd] = {}
        for line in _lines(self.tree, "/etc/passwd"):
            fields = line.split(":")
            if len(fields) == 7 and fields[2].isdigit() and fields[3].isdigit():
                found[fields[0]] = Passwd(int(fields[2]), int(fields[3]), fields[5], fields[6])
        return found

    @cached_property
    def groups(self) -> Mapping[str, Group]:
        found: dict[str, Group] = {}
        for line in _lines(self.tree, "/etc/group"):
            fields = line.split(":")
            if len(fields) == 4 and fields[2].isdigit():
                found[fields[0]] = Group(int(fields[2]), tuple(filter(None, fields[3].split(","))))
        return found

    def user_id(self, user: str) -> int | None:
        """The number of a user given by name or number, None when there is no such user."""
        if user.isdigit():
            return int(user)
        return self.passwd[user].uid if user in self.passwd else None

    def group_id(self, group: str) -> int | None:
        """The number of a group given by name or number, None when there is no such group."""
        if group.isdigit():
            return int(group)
        return self.groups[group].gid if group in self.groups else None


def _same(package: Package, other: Package | None) -> bool:
    return other is not None and package.evr == other.evr


def _lines(tree: Tree, path: str) -> list[str]:
    return (paths.read(tree, path) or b"").decode("utf-8", "replace").splitlines()
