"""Differences between the packages of two plans or two images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Held = Mapping[tuple[str, str], tuple[tuple[str, str], ...]]
"""(name, architecture) -> rows (`epoch:version-release`, hash).

Some names may have several: keys, kernels.
"""

PACKAGE = "package "
"""Begins the lines of a build key that name packages."""


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
    """The packages in the lines of a build key."""
    found: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for line in inputs:
        words = line.split(" ")
        # A crash may have cut a line short: ignore it.
        if line.startswith(PACKAGE) and len(words) == 6:
            _, name, version, arch, _, checksum = words
            found[name, arch] = (*found.get((name, arch), ()), (version, checksum))
    return found


def package_changes(old: Held, new: Held) -> Iterator[PackageChange]:
    """The changes, sorted by name."""
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key, ()), new.get(key, ())
        if before != now:
            yield PackageChange(*key, _versions(before), _versions(now))


def _versions(packages: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(version for version, _ in packages)
