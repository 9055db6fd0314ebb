"""The files of one layer, read from its archive."""

from __future__ import annotations

import hashlib
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REMOVED, EMPTIED = "removed", "emptied"
"""Kinds of entries that remove what lower layers have: at a path, or everything below it."""

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
"""Whiteouts of the OCI image specification: prefix of a removed name; name that empties a directory."""
ATTRIBUTE = "SCHILY.xattr."
"""Prefix of pax records that hold extended attributes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A path of a layer; values that its kind does not have are empty."""

    kind: str
    mode: int = 0
    """Permission bits with set-user-ID, set-group-ID and sticky bit."""
    user: int = 0
    group: int = 0
    modified: float = 0
    """Seconds since 1970."""
    size: int = 0
    sha256: str = ""
    link: str = ""
    """Target of a symbolic or hard link."""
    device: tuple[int, int] = (0, 0)
    """Major and minor number."""
    attributes: Mapping[str, bytes] = field(default_factory=dict)


def entries(archive: Path) -> dict[str, Entry]:
    """The entries of a layer, by absolute path; a path that ends in `/` means everything below it.

    Raises:
        tarfile.TarError: not an archive, or a compression that Python does not know.
    """
    with tarfile.open(archive) as layer:
        return dict(_entry(layer, member) for member in layer)


def files(archive: Path, folder: str) -> Iterator[tuple[str, bytes | None]]:
    """(name, content) of the regular files directly in a directory; the content of a removed file is None.

    Raises:
        tarfile.TarError: not an archive, or a compression that Python does not know.
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
