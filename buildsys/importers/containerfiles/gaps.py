"""Report what will fail to build: files missing from the context, and commands that need a network."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic
from buildsys.importers.command_line import network_program
from buildsys.importers.containerfiles.folders import Folder
from buildsys.recipe.containerfile import Containerfile
from buildsys.recipe.scan import Instruction

_URL = re.compile(r"(?:https?|ftp|git)://|git@")
_MOUNT = re.compile(r"--mount=(\S+)")
_OPEN = frozenset("$*?[")
"""Characters of names that only a build can expand."""


def unfit(read: Containerfile, folder: Folder, top: Path, *, network: bool) -> Iterator[Diagnostic]:
    """Report parts of a Containerfile that are taken over but cannot work."""
    asking = None if network else next(_asking(read), None)
    if asking is not None:
        item, program = asking
        message = f"'{folder.name}' is built without a network, and {program} needs one"
        hint = f"use --network {folder.name}, or put what it fetches into its folder"
        yield Diagnostic(item.spot, Code.NOT_TAKEN_OVER, message, hint)
    for item in read.instructions:
        if item.word in {"ADD", "COPY"}:
            yield from _missing(item, folder, top)
    for path in sorted(folder.path.rglob("*")):
        if is_odd(path):
            message = f"{path} is neither a file, a folder nor a link: it is not taken over"
            yield Diagnostic(NOWHERE, Code.NOT_TAKEN_OVER, message)


def reads_of(read: Containerfile) -> list[str] | None:
    """Return the paths that a Containerfile reads in its context; None if only a build can tell.

    Paths that lead out of the context are left out, as builders do.
    """
    paths: dict[str, None] = {}
    for item in read.instructions:
        if item.word == "ONBUILD" or (
            item.word == "RUN" and any(map(_is_context, _MOUNT.findall(item.value)))
        ):
            return None
        if item.word not in {"ADD", "COPY"}:
            continue
        for source in _sources(item):
            path = posixpath.normpath(source.lstrip("/"))
            if _URL.match(source) or path.startswith("../"):
                continue
            if path in {".", ".."} or _OPEN & set(path):
                return None
            paths[path] = None
    return list(paths)


def _is_context(mount: str) -> bool:
    """Whether a mount binds the context itself."""
    return "from=" not in mount and ("type=bind" in mount or "type=" not in mount)


def is_odd(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device."""
    return not (path.is_symlink() or path.is_file() or path.is_dir())


def _asking(read: Containerfile) -> Iterator[tuple[Instruction, str]]:
    for item in read.instructions:
        if item.word == "RUN" and (program := network_program(item.value)):
            yield item, program
        elif item.word == "ADD" and any(_URL.match(source) for source in _sources(item)):
            yield item, "ADD"


def _missing(item: Instruction, folder: Folder, top: Path) -> Iterator[Diagnostic]:
    for source in _sources(item):
        path = source.strip("/")
        if _URL.match(source) or _OPEN & set(path) or not path or (folder.path / path).exists():
            continue
        message = f"{item.word} needs '{source}', which is not in {folder.path}"
        hint = "a context is the folder of its Containerfile"
        if (top / path).exists():
            hint = f"{top / path} is there: {hint}, not the whole tree; copy it there"
        yield Diagnostic(item.spot, Code.NOT_TAKEN_OVER, message, hint)


def _sources(item: Instruction) -> list[str]:
    """Return the sources of an ADD or COPY in the context or at addresses; none for `--from`."""
    if item.documents:
        return []
    value = item.value
    while value.startswith("--"):
        flag, _, value = value.partition(" ")
        value = value.strip()
        if flag.startswith("--from="):
            return []
    try:
        words = json.loads(value) if value.startswith("[") else shlex.split(value)
    except ValueError:
        return []
    return [str(word) for word in words[:-1]]
