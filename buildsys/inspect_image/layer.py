"""The files of one layer, as the archive says that holds them."""

from __future__ import annotations

import hashlib
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REMOVED, EMPTIED = "removed", "emptied"
"""Kinds of entries that say what is gone: what lower layers have at a path, or all they have below it."""

KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "pipe",
}
GONE, ALL_GONE = ".wh.", ".wh..wh..opq"
"""How a layer says that something is gone: the image specification's whiteouts."""
ATTRIBUTE = "SCHILY.xattr."


@dataclass(frozen=True, slots=True)
class Entry:
    """What a layer says about a path; what its kind does not have is empty."""

    kind: str
    mode: int = 0
    user: int = 0
    group: int = 0
    modified: float = 0
    size: int = 0
    sha256: str = ""
    link: str = ""
    device: tuple[int, int] = (0, 0)
    attributes: Mapping[str, bytes] = field(default_factory=dict)


def entries(archive: Path) -> dict[str, Entry]:
    """All that a layer says, by absolute path; a path that ends in `/` stands for all below it.

    Raises:
        tarfile.TarError: this is no archive, or packed in a way that Python does not know.
    """
    with tarfile.open(archive) as layer:
        return dict(_entry(layer, member) for member in layer)


def files(archive: Path, folder: str) -> Iterator[tuple[str, bytes | None]]:
    """Name and content of each regular file right in a folder; None for one that is gone.

    Raises:
        tarfile.TarError: this is no archive, or packed in a way that Python does not know.
    """
    with tarfile.open(archive) as layer:
        for member in layer:
            above, name = posixpath.split(_path(member))
            if above == folder and name.startswith(GONE):
                yield name.removeprefix(GONE), None
            elif above == folder and member.isreg():
                yield name, _content(layer, member)


def _entry(layer: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, Entry]:
    path = _path(member)
    above, name = posixpath.split(path)
    if name == ALL_GONE:
        return f"{above.rstrip('/')}/", Entry(EMPTIED)
    if name.startswith(GONE):
        return posixpath.join(above, name.removeprefix(GONE)), Entry(REMOVED)
    return path, Entry(
        KINDS.get(member.type, f"of the unknown type {member.type!r}"),
        member.mode & 0o7777,
        member.uid,
        member.gid,
        member.mtime,
        member.size,
        hashlib.sha256(_content(layer, member)).hexdigest() if member.isreg() else "",
        member.linkname,
        (member.devmajor, member.devminor),
        {
            key.removeprefix(ATTRIBUTE): value.encode(errors="surrogateescape")
            for key, value in member.pax_headers.items()
            if key.startswith(ATTRIBUTE)
        },
    )


def _path(member: tarfile.TarInfo) -> str:
    return posixpath.normpath(f"/{member.name}")


def _content(layer: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = layer.extractfile(member)
    return file.read() if file else b""
