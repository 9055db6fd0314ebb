"""The context of a Containerfile: what lies beside it, except for what its ignore file names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from buildsys.diagnostics import Diagnostic, Refused, Spot

IGNORE_FILES = (".containerignore", ".dockerignore")
"""The first of them that is there counts."""


def context(folder: str) -> Iterator[Path]:
    """All that a build gets to see, relative to the folder, in an order that is the same everywhere.

    Files and links, and folders of which nothing else is seen; what an ignore file excludes is left out.

    Raises:
        Refused: the ignore file holds what is no pattern (`bad-pattern`), or folders that it does not name
            cannot be read (`unreadable-file`).
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
    for here, found in reversed(walked):  # what is inside comes first
        if not found and here not in filled and here.parts and not ignored(here):
            found.append(here)
        if found or here in filled:
            filled.add(here.parent)
        seen.append(found)
    for found in reversed(seen):
        yield from found


def _check_read(folder: str, closed: list[OSError], ignored: _Ignored) -> None:
    """Who may not read a folder would get another image than who may."""
    mistakes = []
    for error in closed:
        if error.filename == folder or not ignored(Path(error.filename).relative_to(folder)):
            message = f"cannot read this folder: {(error.strerror or str(error)).lower()}"
            hint = "let yourself read it, or name it in .containerignore"
            mistakes.append(Diagnostic(Spot(error.filename), "unreadable-file", message, hint))
    if mistakes:
        raise Refused(sorted(mistakes))


class _Ignored:
    """Whether an ignore file excludes a path: the last pattern that matches it or what it is in decides."""

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
        return re.compile(_expression(pattern))
    except re.error as error:
        message = f"'{pattern}' is not a pattern of an ignore file: {error.msg}"
        raise Refused([Diagnostic(spot, "bad-pattern", message)]) from error


def _expression(pattern: str) -> str:
    """A pattern of an ignore file as a regular expression: `*` and `?` stay within a name, `**` does not."""
    parts = re.split(r"(\*\*/?|\*|\?|\[[^]]+\]|\\.)", pattern)
    meant = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(meant.get(part) or _plain(part) for part in parts if part)


def _plain(part: str) -> str:
    """A sign behind a backslash is that sign, in brackets too."""
    if part.startswith("["):
        return re.sub(r"\\(.)", lambda match: re.escape(match[1]), part)
    return re.escape(part[1:] if len(part) > 1 and part.startswith("\\") else part)
