"""The set's context: the files `copy` takes from the set's own folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from buildsys.diagnostics import closest
from buildsys.resolve.syntax import Problem

FOLDER = "files"


class Context:
    """The `files/` of one set; what was checked once is not checked again."""

    def __init__(self, directory: Path) -> None:
        self._top = os.path.join(directory, FOLDER)
        self._real = os.path.realpath(self._top)
        self._known: dict[str, Problem | None] = {}

    def problem(self, path: str) -> Problem | None:
        """What hinders copying `path` (relative to `files/`), or nothing."""
        if path not in self._known:
            self._known[path] = self._examine(path)
        return self._known[path]

    def _examine(self, path: str) -> Problem | None:
        parts = path.split("/")
        if ".." in parts or "\n" in path:
            return (
                "path-leaves-context",
                f"'{path}' leads out of {self._top}",
                "copy it into the set's files/ first",
            )
        whole = os.path.join(self._top, path)
        if not os.path.lexists(whole):
            return "missing-file", f"there is no {whole}", self._near(path)
        if not self._inside(whole):
            return "path-leaves-context", f"{whole} is a link that leads out of {self._top}", _LINK
        for folder, folders, names in os.walk(whole):
            for name in sorted(folders + names):
                inner = os.path.join(folder, name)
                if not self._inside(inner):
                    return "path-leaves-context", f"{inner} is a link that leads out of {self._top}", _LINK
                if not _is_plain(inner):
                    return "odd-file", f"{inner} is neither a file, a folder nor a link", "remove it"
        return (
            None if _is_plain(whole) else ("odd-file", f"{whole} is neither a file, a folder nor a link", "")
        )

    def _inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real == self._real or real.startswith(self._real + os.sep)

    def _near(self, path: str) -> str:
        folder = os.path.dirname(os.path.join(self._top, path))
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return closest(os.path.basename(path), names) or "a relative path is taken from the set's files/"


_LINK = "put the file itself there"


def _is_plain(path: str) -> bool:
    kind = os.lstat(path).st_mode
    return stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)
