"""What moved from one lock to the next, and source packages that end at two versions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from buildsys.image import LockedPackage
from buildsys.lock.file import Lock

BASE, DOWNLOAD, PAYLOAD = "(base image)", "(download)", "(copied from)"
"""What stands in the place of an image for what belongs to none."""


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """One thing that is another than before; an empty version: it was, or is, not there."""

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
    """What moved, image by image; without an old lock everything is new."""
    found: list[Move] = []
    before = old.images if old else {}
    for name in sorted({*before, *new.images}):
        found += _moves(name, *(_versions(lock, name) for lock in (old, new)))
    found += _moves(BASE, old.bases if old else {}, new.bases)
    found += _moves(DOWNLOAD, old.downloads if old else {}, new.downloads)
    payloads = (
        {name: item.evr for name, item in lock.payloads.items()} if lock else {} for lock in (old, new)
    )
    return [*found, *_moves(PAYLOAD, *payloads)]


def _versions(lock: Lock | None, image: str) -> dict[str, str]:
    """An image's own packages: the last transaction that has one counts."""
    if lock is None or image not in lock.images:
        return {}
    packages = [*lock.images[image].packages()]
    arches: dict[str, set[str]] = defaultdict(set)
    for item in packages:
        arches[item.name].add(item.arch)
    # An architecture is told where it tells one from another.
    return {
        item.name if len(arches[item.name]) == 1 else f"{item.name}.{item.arch}": item.evr
        for item in packages
    }


def _moves(image: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Move]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield Move(image, name, old.get(name, ""), new.get(name, ""))


def splits(lock: Lock) -> list[Split]:
    """Source packages of which the images of the set get several versions."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for image, item in _installed(lock):
        if item.source:
            name, version = _source(item.source)
            found[name][version].add(image)
    return sorted(
        Split(name, tuple((version, tuple(sorted(images))) for version, images in sorted(versions.items())))
        for name, versions in found.items()
        if len(versions) > 1
    )


def _installed(lock: Lock) -> Iterable[tuple[str, LockedPackage]]:
    return ((name, item) for name, image in lock.images.items() for item in image.packages())


def _source(file: str) -> tuple[str, str]:
    """`name-version-release.src.rpm` or Debian's `name_version` as name and version."""
    if not file.endswith(".rpm"):
        name, _, version = file.partition("_")
        return name, version
    name, version, release = file.removesuffix(".rpm").rpartition(".")[0].rsplit("-", 2)
    return name, f"{version}-{release}"
