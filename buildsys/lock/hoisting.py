"""What images install twice, and what is saved by installing it once, in an image they are made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from buildsys.image import LockedPackage
from buildsys.lock.lockfile import Lock


@dataclass(frozen=True, slots=True)
class Own:
    """What the steps of an image install, beside what it is made from."""

    image: str
    packages: int
    bytes: int
    """Installed, where the repository tells; else of the packages' files."""


@dataclass(frozen=True, slots=True)
class Hoist:
    """Packages that several images install and that one image, which they are all made from, could."""

    to: str
    images: tuple[str, ...]
    """Who installs them now."""
    packages: tuple[str, ...]
    bytes: int
    """What is saved: all that is installed, less once."""
    others: tuple[str, ...]
    """Images made from `to` that do without these packages now, and would have them."""


def own(lock: Lock) -> list[Own]:
    """What each image installs itself, the largest first."""
    found = [
        Own(name, len(packages), sum(map(_bytes, packages.values())))
        for name, packages in _packages(lock).items()
    ]
    return sorted(found, key=lambda item: (-item.bytes, item.image))


def hoists(lock: Lock) -> list[Hoist]:
    """What could be moved to a parent; first what saves most."""
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
    """Whether an image has the packages already, or is only there for images that have them."""
    return name in having or any(name in _line(lock, holder) for holder in holders)


def _line(lock: Lock, name: str) -> list[str]:
    """An image and all it is made from, up to the root."""
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
