"""Anchors, aliases and merged maps (`<<`) of YAML files that other systems wrote."""

from __future__ import annotations

from typing import Any

Marks = Any
"""Positions in the shape of the data: a text's own; `[own, *items]`; `(own, {key: (key's own, value's)})`."""

MOST_REPEATED = 100_000
"""Values that the aliases of one file may stand for: a few lines of nested aliases can stand for billions."""


class BadAlias(Exception):  # noqa: N818 - the reader of the file makes a Diagnostic of it
    """An alias, or a merged map, that cannot be followed."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Aliases:
    """The anchors of one file, and what their aliases stand for."""

    def __init__(self) -> None:
        self._anchors: dict[str, tuple[Any, Marks, int, int]] = {}
        """By name: data, marks, number of values, levels of collections."""
        self._repeated = 0

    def forget(self, name: str) -> None:
        """Remove an anchor: its name begins a new value."""
        self._anchors.pop(name, None)

    def keep(self, name: str, data: Any, marks: Marks) -> None:
        """Give a value its anchor."""
        self._anchors[name] = (data, marks, *_size(data))

    def value(self, name: str) -> tuple[Any, Marks, int]:
        """The data and marks that an alias stands for, and the levels of collections in it.

        Raises:
            BadAlias: no value has the anchor, or the aliases of the file repeat too much.
        """
        if name not in self._anchors:
            raise BadAlias(f"nothing that ends before this line has the anchor &{name}")
        data, marks, count, height = self._anchors[name]
        self._repeated += count
        if self._repeated > MOST_REPEATED:
            raise BadAlias(f"aliases repeat more than {MOST_REPEATED} values", "write a shorter file")
        return data, marks, height


def merge(items: dict[str, Any], marks: dict[str, tuple[int, Marks]]) -> None:
    """Replace `<<` by the keys of its maps. Those of the map itself and of earlier maps count more.

    Raises:
        BadAlias: it merges something else; then nothing has changed.
    """
    merged, places = items["<<"], marks["<<"][1]
    maps = list(zip(merged, places[1:], strict=True)) if type(merged) is list else [(merged, places)]
    if any(type(data) is not dict for data, _ in maps):
        raise BadAlias("'<<' merges maps only")
    del items["<<"], marks["<<"]
    for data, inner in maps:
        for key in data:
            if key not in items:
                items[key], marks[key] = data[key], inner[1][key]


def _size(data: Any) -> tuple[int, int]:
    """The number of values in data, and the levels of its collections."""
    if type(data) is not dict and type(data) is not list:
        return 1, 0
    sizes = [_size(item) for item in (data.values() if type(data) is dict else data)]
    return 1 + sum(count for count, _ in sizes), 1 + max((height for _, height in sizes), default=0)
