"""The text of a Containerfile, in which the images that it reads are called otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

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
