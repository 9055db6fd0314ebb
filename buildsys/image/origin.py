"""Where the inputs of a set were chosen; only the reasons of a build show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and the place that set it."""

    value: str
    where: str
    """`file:line:column`, or an option of the command line."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The places that chose the site, the lock, overlays and variables of a resolved set."""

    site: str = ""
    """The place that chose the site: `file:line:column`, or an option of the command line."""
    lock: str = ""
    """The lock's file, or why there is none; empty: no lock was requested."""
    overlays: Mapping[str, Collection[str] | None] = field(default_factory=dict)
    """File of each overlay -> the images that it changes; None: all."""
    variables: Mapping[str, Setting] = field(default_factory=dict)
    """Variables of the set, by name."""
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Place of each value that holds variables, as `file:line:column` -> their names."""
