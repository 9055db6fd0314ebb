"""What a Containerfile reads: images, folders, here-documents, secrets; and its text under other names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from io import StringIO

from buildsys.diagnostics import NOWHERE, Spot


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image of the set, as a Containerfile names it."""

    written: str
    image: str
    spot: Spot = field(default=NOWHERE, compare=False)
    places: tuple[tuple[int, int], ...] = ()
    """Lines and columns of the text, counted from 1, where the name stands."""


@dataclass(frozen=True, slots=True)
class OtherImage:
    """An image built elsewhere, as a Containerfile names it, and the reference it is taken by."""

    written: str
    reference: str
    spot: Spot = field(default=NOWHERE, compare=False)
    places: tuple[tuple[int, int], ...] = ()
    """As of a `NamedImage`."""


@dataclass(frozen=True, slots=True)
class ContextFolder:
    """A named context: a folder that a Containerfile reads in addition to its own."""

    written: str
    folder: str
    spot: Spot = field(default=NOWHERE, compare=False)
    """Of its name in the recipe."""
    places: tuple[tuple[int, int], ...] = ()
    """As of a `NamedImage`."""


@dataclass(frozen=True, slots=True)
class HereFile:
    """A file that is a here-document of a Containerfile."""

    path: str
    text: str
    executable: bool


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that a Containerfile mounts; its content is not part of the build key."""

    name: str
    required: bool
    file: str
    """Its file as the recipe names it; empty: the option `--secret` of `build` names it."""
    spot: Spot = field(default=NOWHERE, compare=False)


Places = Iterable[tuple[int, int]]
"""Lines and columns, counted from 1."""


def renamed(text: str, names: Iterable[tuple[str, Places, str]]) -> str:
    """The text with other names: each as it is written, the places at which it stands, and the new one."""
    lines = StringIO(text).readlines()  # they end in \n, and in nothing else
    changes = [(line, column, old, new) for old, places, new in names for line, column in places]
    # From the end of each line, so that what stands before stays where it is.
    for number, column, old, new in sorted(changes, reverse=True):
        line = lines[number - 1]
        lines[number - 1] = f"{line[: column - 1]}{new}{line[column - 1 + len(old) :]}"
    return "".join(lines)
