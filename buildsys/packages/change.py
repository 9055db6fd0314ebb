"""Which packages changed, wherever two sets of them come from: two plans, two images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Held = Mapping[tuple[str, str], tuple[tuple[str, str], ...]]
"""Packages by name and architecture: of each its version (epoch, version, release) and a hash of it.

One name has several where that is allowed: keys, kernels.
"""

PACKAGE = "package "
"""What the lines of an image's build key that name packages begin with."""


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package added, removed or replaced; equal versions mean that it was rebuilt."""

    name: str
    arch: str
    old: str
    """Its version before; empty: there was none."""
    new: str
    """Its version now; empty: there is none."""


def packages(inputs: Iterable[str]) -> Held:
    """The packages that the lines of an image's build key name."""
    found: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for line in inputs:
        words = line.split(" ")
        # What a crash cut short names nothing.
        if line.startswith(PACKAGE) and len(words) == 6:
            _, name, version, arch, _, checksum = words
            found[name, arch] = (*found.get((name, arch), ()), (version, checksum))
    return found


def package_changes(old: Held, new: Held) -> Iterator[PackageChange]:
    """What changed, by name."""
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key, ()), new.get(key, ())
        if before != now:
            yield PackageChange(*key, _versions(before), _versions(now))


def _versions(packages: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(version for version, _ in packages)
