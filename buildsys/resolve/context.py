"""The set's context: the files `copy` takes from the set's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from buildsys.diagnostics import closest
from buildsys.resolve.syntax import Problem

FOLDER = "files"


class Context:
    """The `files/` of one set; what was checked once is not checked again."""

    def __init__(self, directory: Path) -> None:
        self._top = directory / FOLDER
        self._real = self._top.resolve()
        self._known: dict[str, Problem | None] = {}

    def problem(self, path: str) -> Problem | None:
        """What hinders copying `path` (relative to `files/`), or nothing."""
        if path not in self._known:
            self._known[path] = self._examine(path)
        return self._known[path]

    def _examine(self, path: str) -> Problem | None:
        if ".." in path.split("/") or "\n" in path:
            return _leaves(f"'{path}' leads", self._top, "copy what it names into the set's files/")
        whole = self._top / path
        if not whole.exists() and not whole.is_symlink():
            names = [entry.name for entry in whole.parent.iterdir()] if whole.parent.is_dir() else []
            hint = closest(whole.name, names) or "a relative path is taken from the set's files/"
            return "missing-file", f"there is no {whole}", hint
        for inner in _with_all_inside(whole):
            if not inner.resolve().is_relative_to(self._real):
                return _leaves(f"{inner} is a link that leads", self._top, "put the file itself there")
            if not (inner.is_symlink() or inner.is_file() or inner.is_dir()):
                return "odd-file", f"{inner} is neither a file, a folder nor a link", "take it away"
        return None


def _leaves(what: str, top: Path, hint: str) -> Problem:
    return "path-leaves-context", f"{what} out of {top}", hint


def _with_all_inside(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for entry in sorted(path.iterdir()):
            yield from _with_all_inside(entry)
