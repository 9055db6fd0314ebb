"""The files that a layer of the vfs driver has from its parent, held against that parent.

This driver begins each layer with a whole copy of its parent. The archive of a layer names only its own
files; all others must be as they are in the directory of the parent.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

WHITEOUT = ".wh."
"""Prefix of a removed name in a layer."""
OPAQUE = ".wh..wh..opq"
"""Name in a layer which says that its directory has nothing from the parent."""
CAPABILITY = "security.capability"
"""The extended attribute that each version of the driver copies."""


def differences(folder: Path, parent: Path, members: Iterable[str]) -> Iterator[str]:
    """How `folder` of a layer differs from `parent`, other than by `members`: one text for each path.

    `members`: the names in the archive of the layer, without `/` at either end. A text has the path with a
    leading `/`, in bytes that the file system has (`surrogateescape`). Raises OSError where a file or
    directory cannot be read.
    """
    own, removed, opaque = set(), set(), set()
    for member in members:
        above, _, base = member.rpartition("/")
        if base == OPAQUE:
            opaque.add(above)
        elif base.startswith(WHITEOUT):
            removed.add(_join(above, base.removeprefix(WHITEOUT)))
        else:
            own.add(member)
    pending = [("", True)]
    while pending:
        at, copied = pending.pop()
        here = _entries(folder, at)
        there = _entries(parent, at) if copied and at not in opaque else {}
        there = {name: status for name, status in there.items() if _join(at, name) not in removed}
        for name, status in here.items():
            path = _join(at, name)
            before = there.get(name)
            if stat.S_ISDIR(status.st_mode):
                pending.append((path, before is not None and stat.S_ISDIR(before.st_mode)))
            if path in own:
                continue
            if before is None:
                yield f"/{path} does not belong to it"
            elif what := _other(folder / path, status, parent / path, before):
                yield f"/{path} has {what} than in its parent layer"
        for name in there:
            if name not in here and _join(at, name) not in own:
                yield f"/{_join(at, name)} is missing"


def _join(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name


def _entries(top: Path, at: str) -> dict[str, os.stat_result]:
    with os.scandir(top / at) as found:
        return {entry.name: entry.stat(follow_symlinks=False) for entry in found}


def _other(path: Path, status: os.stat_result, parent: Path, before: os.stat_result) -> str:
    if stat.S_IFMT(status.st_mode) != stat.S_IFMT(before.st_mode) or status.st_rdev != before.st_rdev:
        return "another file type"
    if (status.st_uid, status.st_gid) != (before.st_uid, before.st_gid):
        return "another owner"
    if stat.S_ISLNK(status.st_mode):
        return "" if path.readlink() == parent.readlink() else "another target"
    if status.st_mode != before.st_mode:
        return "another mode"
    if stat.S_ISREG(status.st_mode):
        if capability(path) != capability(parent):
            return "another capability"
        if status.st_size != before.st_size or not _equal(path, parent):
            return "other content"
    return ""


def capability(path: Path) -> bytes:
    """The file capability as the kernel stores it; empty if there is none. No link is followed."""
    with suppress(OSError):
        return os.getxattr(path, CAPABILITY, follow_symlinks=False)
    return b""


def _equal(path: Path, other: Path) -> bool:
    # filecmp remembers a result by size and time, which damage need not change.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with (
        open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file,
        open(other, "rb", opener=lambda name, _: os.open(name, flags)) as second,
    ):
        while part := file.read(1 << 18):
            if part != second.read(len(part)):
                return False
    return True
