"""Which packages changed, wherever two sets of them come from: two plans, two images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Held = Mapping[tuple[str, str], tuple[tuple[str, str], ...]]
"""Packages by name and architecture: of each its version (epoch, version, release) and a hash of it.

One name has several where that is allowed: keys, kernels.
"""


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package that is new, gone or another. Equal versions: the package was made anew without a new one."""

    name: str
    arch: str
    old: str
    """Its version before; empty: there was none."""
    new: str
    """Its version now; empty: there is none."""


def package_changes(old: Held, new: Held) -> Iterator[PackageChange]:
    """What changed, by name."""
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key, ()), new.get(key, ())
        if before != now:
            yield PackageChange(*key, _versions(before), _versions(now))


def _versions(packages: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(version for version, _ in packages)
