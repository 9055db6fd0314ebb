"""Where a value was written (`Spot`) and what is wrong with it (`Diagnostic`).

Every room may import this module. It masks passwords in all that it shows.
A user's mistake is always one or more Diagnostics, collected by phase and raised together
as `Refused`; a traceback always means a bug of buildsys.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from buildsys.codes import Code
from buildsys.logins import masked

__all__ = [
    "NOWHERE",
    "Code",
    "Diagnostic",
    "Problem",
    "Refused",
    "Spot",
    "closest",
    "closest_path",
    "closest_words",
    "counted",
    "host_path",
    "plan_path",
    "set_plan_path",
]

Problem = tuple[Code, str, str]
"""A diagnostic without its place: code, sentence, hint."""


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """A place in a file a person wrote: path as given, line and column counted from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        """The place as plans name it."""
        return f"{plan_path(self.file)}:{self.line}:{self.column}"

    def shown(self) -> str:
        """The place as a person opens it."""
        return f"{host_path(self.file)}:{self.line}:{self.column}"


_PLAN_PATHS: dict[str, str] = {}
"""Folder of each loaded set -> its path in plans. Where two have one path, the latest, the last, is meant."""


def set_plan_path(folder: Path, path: str) -> None:
    """Let plans name the files of a folder by another path: so no plan depends on the folder's place."""
    _PLAN_PATHS.pop(str(folder), None)
    _PLAN_PATHS[str(folder)] = path


def plan_path(file: str) -> str:
    """The path of a file in plans."""
    return _moved(file, _PLAN_PATHS.items())


def host_path(file: str) -> str:
    """The path on this host of a file that a plan names."""
    return _moved(file, ((path, folder) for folder, path in reversed(_PLAN_PATHS.items())))


def _moved(file: str, folders: Iterable[tuple[str, str]]) -> str:
    for folder, other in folders:
        if file.startswith(folder) and file[len(folder) : len(folder) + 1] in {"", "/"}:
            return other + file[len(folder) :]
    return file


LONGEST = 160
"""Characters of a source line in an excerpt."""
MOST = 1 << 20
"""Characters of a file that are read to show one of its lines."""
_ENDS = re.compile("[\n\x85\u2028\u2029]")

NOWHERE = Spot("<buildsys>", 0, 0)
"""The Spot of a value no file holds: a command line option or a built-in default."""


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One mistake: a Spot, a stable code (`unknown-key`), a sentence, and optionally a hint.

    `related` holds further places that belong to the same mistake, each with a few words:
    the other recipe of the same name, each edge of a cycle.
    """

    spot: Spot
    code: Code
    message: str
    hint: str = ""
    related: tuple[tuple[Spot, str], ...] = field(default=())

    def text(self, kind: str = "error") -> str:
        """The diagnostic for people: position, sentence, source line, caret, hint."""
        where = "" if self.spot == NOWHERE else f"{self.spot.shown()}: "
        parts = [f"{where}{kind}: {self.message} [{self.code}]", *_excerpt(self.spot)]
        for spot, words in self.related:
            parts += [f"  {spot.shown()}: {words}", *_excerpt(spot)]
        if self.hint:
            parts += [f"  hint: {self.hint}"]
        return masked("\n".join(parts))

    def data(self) -> dict[str, object]:
        """The diagnostic as JSON-able data, for editors and CI."""
        return {
            "code": self.code,
            "message": masked(self.message),
            "hint": masked(self.hint),
            "file": host_path(self.spot.file),
            "line": self.spot.line,
            "column": self.spot.column,
            "related": [{"at": spot.shown(), "message": masked(words)} for spot, words in self.related],
        }


class Refused(Exception):  # noqa: N818 - reads as what happened: the input was refused
    """The input of a phase was refused; carries every Diagnostic of that phase, sorted, without repeats."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        # Sites give different hints for the same mistake.
        once = {(item.spot, item.code, item.message): item for item in sorted(set(diagnostics), reverse=True)}
        self.diagnostics: tuple[Diagnostic, ...] = tuple(sorted(once.values()))
        super().__init__(self.text())

    def text(self) -> str:
        """All diagnostics for people, a blank line between two."""
        return "\n\n".join(item.text() for item in self.diagnostics)

    def json(self) -> str:
        """All diagnostics as one JSON document."""
        return json.dumps([item.data() for item in self.diagnostics], indent=1)


def closest(word: str, known: Iterable[str]) -> str:
    """A hint naming the known words nearest to `word`, or an empty string when none is near."""
    near = closest_words(word, known)
    return f"did you mean {_or(near)}?" if near else ""


def closest_path(path: str, names: Iterable[str]) -> str:
    """A hint for a path that does not exist: the path with the nearest of the names in its folder.

    Empty when none is near.
    """
    folder, slash, name = path.rstrip("/").rpartition("/")
    near = [f"{folder}{slash}{one}" for one in closest_words(name, names)]
    return f"did you mean {_or(near)}?" if near else ""


def counted(number: int, thing: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def closest_words(word: str, known: Iterable[str]) -> list[str]:
    """At most three of the known words, the nearest to `word` first; empty when none is near."""
    return difflib.get_close_matches(word, sorted(known), n=3, cutoff=0.6)


def _or(words: Sequence[str]) -> str:
    quoted = [f"'{word}'" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _excerpt(spot: Spot) -> list[str]:
    lines = _lines(host_path(spot.file))
    if not 1 <= spot.line <= len(lines):
        return []
    # The caret stays under its column.
    line, column = _cut(masked(lines[spot.line - 1], sign="*"), spot.column)
    # Tabs are kept in the margin so that the caret stands under its column in any terminal.
    margin = "".join("\t" if char == "\t" else " " for char in line[: column - 1])
    number = str(spot.line)
    return [f"  {number} | {line}", f"  {' ' * len(number)} | {margin}^"]


def _cut(line: str, column: int) -> tuple[str, int]:
    """The part of a line around a column, and the column in it; unprintable characters are replaced."""
    start = max(0, min(column - 1 - LONGEST // 2, len(line) - LONGEST))
    shown = "".join(
        sign if sign.isprintable() or sign == "\t" else "\N{REPLACEMENT CHARACTER}"
        for sign in line[start : start + LONGEST]
    )
    before, after = "…" if start else "", "…" if start + LONGEST < len(line) else ""
    return f"{before}{shown}{after}", column - start + len(before)


@cache
def _lines(file: str) -> list[str]:
    """The lines of the first characters of a file, separated as YAML separates them."""
    try:
        with Path(file).open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(MOST).removeprefix("\ufeff")
    except OSError:
        return []
    return _ENDS.split(text.removesuffix("\n")) if text else []
