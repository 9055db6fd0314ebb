"""The set's context: the files that `copy` takes from `files/` of the set or of an overlay."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from buildsys.diagnostics import Code, Problem, closest_path

FOLDER = "files"
LONGEST_NAME = 255
"""Bytes of the name of a file, as a file system takes it."""
LONGEST_PATH = 4095
"""Bytes of a path, as a kernel takes it."""


class Context:
    """The `files/` of one set and its overlays; results of checks are kept."""

    def __init__(self, directory: Path, overlays: Iterable[str] = ()) -> None:
        self._top = directory / FOLDER
        self._folders = {file: Path(file).parent / FOLDER for file in overlays}
        self._known: dict[tuple[str, str], Problem | None] = {}

    def folder(self, path: str, file: str) -> str:
        """The folder of `path`, named in `file`: the `files/` of an overlay; empty for the set's."""
        folder = self._folders.get(file)
        if folder is None or ".." in path.split("/") or not os.path.lexists(folder / path):
            return ""
        return str(folder)

    def problem(self, path: str, folder: str) -> Problem | None:
        """The mistake of copying `path` from a folder that `folder` returned; None if it can be copied."""
        if (path, folder) not in self._known:
            self._known[path, folder] = self._examine(path, Path(folder) if folder else self._top)
        return self._known[path, folder]

    def _examine(self, path: str, top: Path) -> Problem | None:
        if not path:
            return (
                Code.BAD_PATH,
                "there is no path to copy",
                "name a file or a folder of files/; '.' is all of it",
            )
        if problem := local_path(path):
            return problem
        if ".." in path.split("/"):
            return _leaves(f"'{path}' leads", top, "copy what it names into the set's files/")
        whole = top / path
        if not os.path.lexists(whole):
            places = {(place / path).parent for place in (top, *self._folders.values())}
            names = {entry.name for place in places if place.is_dir() for entry in place.iterdir()}
            overlays = "files/ of the overlay, or " if self._folders else ""
            hint = closest_path(path, names) or f"a relative path is taken from {overlays}the set's files/"
            return Code.MISSING_FILE, f"there is no {whole}", hint
        real = os.path.realpath(top)  # Path.resolve ends in an exception where links go round
        try:
            inside = list(_with_all_inside(whole))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return Code.UNREADABLE_FILE, f"cannot read {error.filename}: {reason}", "let yourself read it"
        for inner in inside:
            if not Path(os.path.realpath(inner)).is_relative_to(real):
                return _leaves(f"{inner} is a link that leads", top, "put the file itself there")
            # The target of a link is copied.
            if inner.is_symlink() and not os.path.exists(inner):  # noqa: PTH110 - ends, where links go round
                return Code.MISSING_FILE, f"{inner} is a link that leads nowhere", "put the file itself there"
            if inner.is_symlink() and inner.is_dir():
                return Code.ODD_FILE, f"{inner} is a link to a folder", "put the folder itself there"
            if problem := unwritable(inner, inner.relative_to(top)):
                return problem
            if not (inner.is_file() or inner.is_dir()):
                return Code.ODD_FILE, f"{inner} is neither a file, a folder nor a link", "take it away"
            if _has_acl(inner):
                hint = f"`setfacl --remove-all {inner}`, and say by `owner` and `mode` who may use it"
                return Code.ODD_FILE, f"{inner} has an ACL, and layers of images hold none", hint
        return None


def local_path(text: str) -> Problem | None:
    """The mistake of a text that cannot name a file of a host; None for any other."""
    longest = max((len(part.encode(errors="surrogateescape")) for part in text.split("/")), default=0)
    if longest > LONGEST_NAME or len(text.encode(errors="surrogateescape")) > LONGEST_PATH:
        message = f"'{text[:20]}…' is longer than the name of a file can be"
        return Code.BAD_PATH, message, f"a name has {LONGEST_NAME} bytes at most, a path {LONGEST_PATH}"
    if "\0" in text or "\n" in text:
        return Code.BAD_PATH, "a line break is part of no path here", "give it another name"
    return None


def unwritable(path: Path, name: Path) -> Problem | None:
    """The mistake of a name that is not UTF-8: the steps of a plan are text; None for other names."""
    try:
        str(name).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        return Code.ODD_FILE, f"the name of {shown} is not UTF-8", "give it another name"
    return None


def _has_acl(path: Path) -> bool:
    """Whether somebody gave a file or folder an ACL. One that its folder gives to all is the checkout's."""
    try:
        if "system.posix_acl_access" not in os.listxattr(path):
            return False
        return "system.posix_acl_default" not in os.listxattr(path.parent)
    except OSError:  # the file system has no attributes
        return False


def _leaves(what: str, top: Path, hint: str) -> Problem:
    return Code.PATH_LEAVES_CONTEXT, f"{what} out of {top}", hint


def _with_all_inside(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for entry in sorted(path.iterdir()):
            yield from _with_all_inside(entry)
