"""What will not build as it stands: files that are not in the context, and commands that want a network."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic
from buildsys.importers.containerfiles.tree import Folder
from buildsys.importers.network import wanting
from buildsys.recipe.containerfile import Containerfile
from buildsys.recipe.scan import Instruction

_URL = re.compile(r"(?:https?|ftp|git)://|git@")
_MOUNT = re.compile(r"--mount=(\S+)")
_OPEN = frozenset("$*?[")
"""Signs of names that only a build can tell."""


def unfit(read: Containerfile, folder: Folder, top: Path, *, network: bool) -> Iterator[Diagnostic]:
    """What of a Containerfile is taken over and yet cannot work."""
    asking = None if network else next(_asking(read), None)
    if asking is not None:
        item, program = asking
        message = f"'{folder.name}' is built without a network, and {program} wants one"
        hint = f"say --network {folder.name}, or put what it fetches into its folder"
        yield Diagnostic(item.spot, Code.NOT_TAKEN_OVER, message, hint)
    for item in read.instructions:
        if item.word in {"ADD", "COPY"}:
            yield from _missing(item, folder, top)
    for path in sorted(folder.path.rglob("*")):
        if is_odd(path):
            message = f"{path} is neither a file, a folder nor a link: it is left out"
            yield Diagnostic(NOWHERE, Code.NOT_TAKEN_OVER, message)


def reads_of(read: Containerfile) -> list[str] | None:
    """What a Containerfile reads of its context, by paths below it; None: only a build knows.

    A path that leads out of the context is none of it, as builders have it.
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
    """Whether a mount shows the context: what is bound, and comes from nothing else."""
    return "from=" not in mount and ("type=bind" in mount or "type=" not in mount)


def is_odd(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device."""
    return not (path.is_symlink() or path.is_file() or path.is_dir())


def _asking(read: Containerfile) -> Iterator[tuple[Instruction, str]]:
    for item in read.instructions:
        if item.word == "RUN" and (program := wanting(item.value)):
            yield item, program
        elif item.word == "ADD" and any(_URL.match(source) for source in _sources(item)):
            yield item, "ADD"


def _missing(item: Instruction, folder: Folder, top: Path) -> Iterator[Diagnostic]:
    for source in _sources(item):
        path = source.strip("/")
        if _URL.match(source) or _OPEN & set(path) or not path or (folder.path / path).exists():
            continue
        message = f"{item.word} wants '{source}', which {folder.path} does not have"
        hint = "a context is the folder of its Containerfile"
        if (top / path).exists():
            hint = f"{top / path} is there: {hint}, not the whole tree; copy it there"
        yield Diagnostic(item.spot, Code.NOT_TAKEN_OVER, message, hint)


def _sources(item: Instruction) -> list[str]:
    """What an ADD or COPY takes from the context or from an address; nothing, where it is from an image."""
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
