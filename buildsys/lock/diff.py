"""Differences of two locks, sources with several versions, and packages that images install twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from buildsys.image import LockedPackage
from buildsys.lock.lockfile import Lock

BASE, DOWNLOAD, PAYLOAD, KEY = "(base image)", "(download)", "(copied from)", "(key)"
"""Stands for the image of things that belong to none."""


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """One thing added, removed or replaced; an empty version means that there is none.

    Equal versions mean that a package was rebuilt: its content differs.
    """

    image: str
    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, order=True)
class Split:
    """A source package that ends at several versions in the set."""

    source: str
    versions: tuple[tuple[str, tuple[str, ...]], ...]
    """Each version, and the images that install packages of it."""


def moves(old: Lock | None, new: Lock) -> list[Move]:
    """What changed, image by image; without an old lock everything is new."""
    found: list[Move] = []
    before = old.images if old else {}
    for name in sorted({*before, *new.images}):
        found += _moves(name, *(_versions(lock, name) for lock in (old, new)))
    found += _moves(BASE, _exact(old.bases if old else {}), _exact(new.bases))
    found += _moves(DOWNLOAD, _exact(old.downloads if old else {}), _exact(new.downloads))
    # Without an old lock no key is a change: none was trusted before.
    found += _moves(KEY, _exact(old.keys if old else new.keys), _exact(new.keys))
    payloads = (
        {name: (item.evr, item.checksum) for name, item in lock.payloads.items()} if lock else {}
        for lock in (old, new)
    )
    return [*found, *_moves(PAYLOAD, *payloads)]


_Version = tuple[str, str]
"""A version to show, and a hash of the content."""


def _exact(named: Mapping[str, str]) -> dict[str, _Version]:
    """Things identified by a hash, or by a package with its version."""
    return {name: (text, text) for name, text in named.items()}


def _versions(lock: Lock | None, image: str) -> dict[str, _Version]:
    """An image's own packages: the last transaction that has one counts."""
    if lock is None or image not in lock.images:
        return {}
    packages = [*lock.images[image].packages()]
    arches: dict[str, set[str]] = defaultdict(set)
    for item in packages:
        arches[item.name].add(item.arch)
    # Show the architecture only where a name has several.
    return {
        item.name if len(arches[item.name]) == 1 else f"{item.name}.{item.arch}": (item.evr, item.checksum)
        for item in packages
    }


def _moves(image: str, old: Mapping[str, _Version], new: Mapping[str, _Version]) -> Iterator[Move]:
    absent = ("", "")
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield Move(image, name, old.get(name, absent)[0], new.get(name, absent)[0])


def splits(lock: Lock) -> list[Split]:
    """Source packages whose packages the images install in several versions."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for image, item in _installed(lock):
        if item.source:
            name, version = source_version(item.source)
            found[name][version].add(image)
    return sorted(
        Split(name, tuple((version, tuple(sorted(images))) for version, images in sorted(versions.items())))
        for name, versions in found.items()
        if len(versions) > 1
    )


def _installed(lock: Lock) -> Iterable[tuple[str, LockedPackage]]:
    return ((name, item) for name, image in lock.images.items() for item in image.packages())


def source_version(file: str) -> tuple[str, str]:
    """`name-version-release.src.rpm` or Debian's `name_version` as name and version; empty: unknown."""
    if not file.endswith(".rpm"):
        name, _, version = file.partition("_")
        return name, version
    name, _, version = file.removesuffix(".rpm").rpartition(".")[0].rpartition("-")
    name, dash, upstream = name.rpartition("-")
    return (name, f"{upstream}-{version}") if dash else (file, "")


# ── packages that could be installed once ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Own:
    """The packages that the steps of an image install, without those of its parents."""

    image: str
    packages: int
    bytes: int
    """Size of the installed files where the repository has it; else size of the package files."""


@dataclass(frozen=True, slots=True)
class Hoist:
    """Packages that several images install, and that a common ancestor could install once."""

    to: str
    images: tuple[str, ...]
    """The images that install them now."""
    packages: tuple[str, ...]
    bytes: int
    """Bytes saved: those of all installations but one."""
    others: tuple[str, ...]
    """Images made from `to` that would inherit these packages without using them."""


def own(lock: Lock) -> list[Own]:
    """The packages that each image installs itself; largest first."""
    found = [
        Own(name, len(packages), sum(map(_bytes, packages.values())))
        for name, packages in _packages(lock).items()
    ]
    return sorted(found, key=lambda item: (-item.bytes, item.image))


def hoists(lock: Lock) -> list[Hoist]:
    """Packages that could move to an ancestor; largest saving first."""
    holders: dict[str, list[str]] = defaultdict(list)
    known: dict[str, LockedPackage] = {}
    for name, packages in _packages(lock).items():
        for nevra, package in packages.items():
            holders[nevra].append(name)
            known[nevra] = package
    groups: dict[tuple[str, ...], list[LockedPackage]] = defaultdict(list)
    for nevra, names in holders.items():
        if len(names) > 1:
            groups[tuple(sorted(names))].append(known[nevra])
    found = [item for names, packages in groups.items() for item in _hoist(lock, names, packages)]
    return sorted(found, key=lambda item: (-item.bytes, item.to, item.images))


def _hoist(lock: Lock, names: tuple[str, ...], packages: list[LockedPackage]) -> Iterator[Hoist]:
    lines = [_line(lock, name) for name in names]
    shared = [name for name in lines[0][1:] if all(name in line for line in lines)]
    if not shared:
        return
    to = shared[0]
    having = {name for name in lock.images if any(holder in _line(lock, name) for holder in names)}
    others = sorted(
        name for name in lock.images if to in _line(lock, name)[1:] and not _passed(lock, name, names, having)
    )
    yield Hoist(
        to,
        names,
        tuple(sorted(item.name for item in packages)),
        (len(names) - 1) * sum(map(_bytes, packages)),
        tuple(others),
    )


def _passed(lock: Lock, name: str, holders: tuple[str, ...], having: set[str]) -> bool:
    """Whether an image has the packages already, or is an ancestor of an image that has them."""
    return name in having or any(name in _line(lock, holder) for holder in holders)


def _line(lock: Lock, name: str) -> list[str]:
    """An image and its ancestors, up to the root."""
    line = [name]
    while parent := lock.images[line[-1]].parent:
        line.append(parent)
    return line


def _packages(lock: Lock) -> Mapping[str, dict[str, LockedPackage]]:
    return {
        name: {item.nevra: item for item in image.packages()} for name, image in sorted(lock.images.items())
    }


def _bytes(package: LockedPackage) -> int:
    return package.installed or package.size
