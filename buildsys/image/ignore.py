"""The context of a Containerfile: the files of its folder, except those that its ignore file excludes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from buildsys.diagnostics import Code, Diagnostic, Refused, Spot

IGNORE_FILES = (".containerignore", ".dockerignore")
"""File names; the first one present counts."""


def context(folder: str) -> Iterator[Path]:
    """The paths that a build sees, relative to the folder, in the same order on every host.

    Files, links and empty folders; paths that an ignore file excludes are left out.

    Raises:
        Refused: a line of the ignore file is not a pattern (`bad-pattern`), or folders that it does not
            exclude cannot be read (`unreadable-file`).
    """
    ignored = _Ignored(folder)
    closed: list[OSError] = []
    walked: list[tuple[Path, list[Path]]] = []
    for where, folders, files in os.walk(folder, onerror=closed.append):
        folders.sort()
        here = Path(where).relative_to(folder)
        links = [name for name in folders if Path(where, name).is_symlink()]
        walked.append((here, [here / name for name in sorted([*files, *links]) if not ignored(here / name)]))
    _check_read(folder, closed, ignored)
    seen: list[list[Path]] = []
    filled: set[Path] = set()
    for here, found in reversed(walked):  # from the inside out
        if not found and here not in filled and here.parts and not ignored(here):
            found.append(here)
        if found or here in filled:
            filled.add(here.parent)
        seen.append(found)
    for found in reversed(seen):
        yield from found


def _check_read(folder: str, closed: list[OSError], ignored: _Ignored) -> None:
    """Refuse unreadable folders: skipping them would make the image depend on the user who builds it."""
    mistakes = []
    for error in closed:
        if error.filename == folder or not ignored(Path(error.filename).relative_to(folder)):
            message = f"cannot read this folder: {(error.strerror or str(error)).lower()}"
            hint = "let yourself read it, or name it in .containerignore"
            mistakes.append(Diagnostic(Spot(error.filename), Code.UNREADABLE_FILE, message, hint))
    if mistakes:
        raise Refused(sorted(mistakes))


class _Ignored:
    """Whether an ignore file excludes a path: the last pattern that matches it or a parent decides."""

    def __init__(self, folder: str) -> None:
        self._patterns: list[tuple[bool, re.Pattern[str]]] = []
        present = (Path(folder, name) for name in IGNORE_FILES)
        file = next((path for path in present if path.is_file()), None)
        text = file.read_text("utf-8", errors="replace").removeprefix("\ufeff") if file else ""
        for number, line in enumerate(text.split("\n"), 1):
            pattern = line.strip()
            if not pattern or line.startswith("#"):
                continue
            keeps = pattern.startswith("!")
            cleaned = os.path.normpath(pattern.removeprefix("!").strip()).strip("/")
            if cleaned != ".":
                self._patterns.append((keeps, _compiled(cleaned, Spot(str(file), number))))

    def __call__(self, path: Path) -> bool:
        whole = [path.as_posix(), *(above.as_posix() for above in path.parents if above.parts)]
        excluded = False
        for keeps, pattern in self._patterns:
            if any(pattern.fullmatch(name) for name in whole):
                excluded = not keeps
        return excluded


def _compiled(pattern: str, spot: Spot) -> re.Pattern[str]:
    try:
        return re.compile(_expression(pattern), re.DOTALL)
    except ValueError as error:
        message = f"'{pattern}' is not a pattern of an ignore file: {error}"
        hint = "a \\ before a sign takes it as it is"
        raise Refused([Diagnostic(spot, Code.BAD_PATTERN, message, hint)]) from error


_TOKEN = re.compile(r"\*\*/?|\*|\?|\[|\\.|.", re.DOTALL)
_MEANT = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}


def _expression(pattern: str) -> str:
    """A pattern of an ignore file as a regular expression: `*` and `?` stay within a name, `**` does not.

    Raises:
        ValueError: its brackets are invalid.
    """
    made, place = "", 0
    while match := _TOKEN.match(pattern, place):
        place = match.end()
        if match[0] == "[":
            part, place = _brackets(pattern, place)
        else:
            # A backslash makes the next character literal.
            part = _MEANT.get(match[0]) or re.escape(match[0][-1])
        made += part
    return made


_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t\ ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e", "space": r"\t\n\v\f\r\ ", "upper": "A-Z",
    "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_ITEM = re.compile(r"\[:(?P<name>\^?\w*):\]|(?P<first>\\.|[^\\])(?:-(?P<last>\\.|[^]\\]))?", re.DOTALL)


def _brackets(pattern: str, place: int) -> tuple[str, int]:
    """A bracket expression as builders read it, from after its `[`; and the index after its `]`."""
    inside = "^" if pattern.startswith("^", place) else ""
    place += len(inside)
    first = place
    while not (pattern.startswith("]", place) and place > first):
        item = _ITEM.match(pattern, place)
        if item is None:
            raise ValueError("a [ has no ] behind it")
        place = item.end()
        if item["first"] is None:
            if item["name"] not in _CLASSES:
                raise ValueError(f"there is no class [:{item['name']}:]")
            inside += _CLASSES[item["name"]]
            continue
        low, high = item["first"][-1], (item["last"] or item["first"])[-1]
        if low > high:
            raise ValueError(f"the range {low}-{high} is empty")
        inside += re.escape(low) + (f"-{re.escape(high)}" if item["last"] else "")
    return f"[{inside}]", place + 1
