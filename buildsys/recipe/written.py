"""A piece of a document: plain data, and where each part of it was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from buildsys.diagnostics import Spot

LINE = 1 << 21
"""A position is line * LINE + column, both from 0: one small number where there are hundreds of thousands."""

Marks = Any
"""Positions in the shape of the data: a text's own; `[own, *items]`; `(own, {key: (key's own, value's)})`."""


@dataclass(frozen=True, slots=True)
class Written:
    """A piece of a document: its data, and where each part of it was written."""

    file: str
    data: Any
    marks: Marks
    templated: bool = False
    """Whether a text of it holds `{{` or `{%`."""

    def spot(self, *path: str | int) -> Spot:
        """Where the value at `path` begins; what was not written itself is where its container is."""
        marks, _ = _walk(self.marks, path)
        return spot_of(self.file, marks if type(marks) is int else marks[0])

    def key_spot(self, *path: str | int) -> Spot:
        """Where the key that ends `path` stands."""
        *above, last = path
        marks, arrived = _walk(self.marks, above)
        if arrived and type(marks) is tuple and last in marks[1]:
            return spot_of(self.file, marks[1][last][0])
        return self.spot(*path)

    def part(self, *path: str | int) -> Written:
        """The piece at `path`, which must exist."""
        data = self.data
        for step in path:
            data = data[step]
        marks, _ = _walk(self.marks, path)
        return Written(self.file, data, marks, self.templated and any(map(is_template, strings(data))))

    def with_data(self, data: Any) -> Written:
        """Other data at the same places, final: what filling in variables gives."""
        return Written(self.file, data, self.marks)


def _walk(marks: Marks, path: Iterable[str | int]) -> tuple[Marks, bool]:
    """The marks at the end of a path, or as far along it as anything was written; and whether it was all."""
    for step in path:
        if type(marks) is tuple:
            entry = marks[1].get(step)
            if entry is None:
                return marks, False
            marks = entry[1]
        elif type(marks) is list and type(step) is int and step + 1 < len(marks):
            marks = marks[step + 1]
        else:
            return marks, False
    return marks, True


def spot_of(file: str, position: int) -> Spot:
    """The Spot of a position."""
    return Spot(file, position // LINE + 1, position % LINE + 1)


def is_template(text: str) -> bool:
    """Whether a text holds something to fill in."""
    return "{{" in text or "{%" in text


def said(written: Written) -> str:
    """Hash of what a piece says, whatever its comments, its places and the order of its keys."""
    return hashlib.sha256(json.dumps(written.data, sort_keys=True).encode()).hexdigest()


def strings(data: Any) -> Iterator[str]:
    """Every text within data, keys left out."""
    if type(data) is str:
        yield data
    elif type(data) is dict:
        for value in data.values():
            yield from strings(value)
    elif type(data) is list:
        for value in data:
            yield from strings(value)
