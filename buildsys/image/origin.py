"""Where what a set is made of was chosen: for the words of a reason, and no part of any image."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and what set it."""

    value: str
    where: str
    """`file:line:column`, or an option of the command line."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What chose the site, the lock, overlays and variables of a resolved set."""

    site: str = ""
    """What chose the site: `file:line:column`, or an option of the command line."""
    lock: str = ""
    """The lock's file, or why there is none; empty: nobody asked for one."""
    overlays: Mapping[str, Collection[str] | None] = field(default_factory=dict)
    """File of each overlay -> the images that it changes; None: all."""
    variables: Mapping[str, Setting] = field(default_factory=dict)
    """Variables of the set, by name."""
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Where a value was written that holds variables, as `file:line:column` -> their names."""
