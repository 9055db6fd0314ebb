"""Damaged layers of a container store: the archive of each layer is rebuilt and its digest compared.

Newer versions of podman have `system check`; this works with every version, for overlay and vfs.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import stat
import tarfile
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildsys.inspect_image.inherited import CAPABILITY, WHITEOUT, capability, differences

ATTRIBUTE = "SCHILY.xattr."
"""Prefix of an extended attribute among the headers of a file."""
KEYS = "localhost/buildsys-key/"
"""Prefix of the names that hold build keys."""
DRIVERS = ("overlay", "vfs")
"""Storage drivers that are supported."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A damaged layer."""

    layer: str
    why: str
    """The damage, in a few words."""
    images: tuple[str, ...]
    """Names of the images that contain it; the id of an image without a name."""


def damaged(
    location: Path, driver: str, *, read: bool, named: str = "", alone: bool = True
) -> Iterator[Damaged]:
    """The damaged layers of the store at `location`, each with all images that contain it.

    `read`: read every file; else only check that the parts of each layer exist. `named`: only layers of
    images with a name of this prefix. `alone`: the store has no additional image stores, which could contain
    layers.
    """
    if driver not in DRIVERS:
        return
    images = _records(location / f"{driver}-images/images.json")
    layers = {str(item["id"]): item for item in _records(location / f"{driver}-layers/layers.json")}
    holders: dict[str, list[str]] = {}
    wanted: dict[str, None] = {}
    for image in images:
        names = image.get("names") or [image["id"]]
        meant = not named or any(name.startswith(named) for name in names)
        # Parents first: the inherited files of a layer are compared with those of a sound parent only.
        for layer in reversed(list(_chain(str(image.get("layer", "")), layers))):
            holders.setdefault(layer, []).extend(names)
            if meant:
                wanted[layer] = None
    sound: set[str] = set()
    for layer in wanted if alone else [layer for layer in wanted if layer in layers]:
        why = _lacks(location, driver, layer, layers) or (
            _differs(location, driver, layers[layer], sound) if read else ""
        )
        if not why:
            sound.add(layer)
        else:
            # Names for people come before build keys.
            names = sorted(dict.fromkeys(holders[layer]), key=lambda name: name.startswith(KEYS))
            yield Damaged(layer, why, tuple(names))


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    return (
        [item for item in found if isinstance(item, dict) and "id" in item] if isinstance(found, list) else []
    )


def _chain(layer: str, layers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    seen = set()
    while layer and layer not in seen:
        seen.add(layer)
        yield layer
        layer = str(layers.get(layer, {}).get("parent", ""))


def _folder(location: Path, driver: str, layer: str) -> Path:
    if driver == "overlay":
        return location / "overlay" / layer / "diff"
    return location / driver / "dir" / layer


def _packing(location: Path, driver: str, layer: str) -> Path:
    return location / f"{driver}-layers" / f"{layer}.tar-split.gz"


def _lacks(location: Path, driver: str, layer: str, layers: Mapping[str, Mapping[str, Any]]) -> str:
    """The missing part of a layer; empty if it is complete."""
    if layer not in layers:
        return "the store has no record of it"
    if not _folder(location, driver, layer).is_dir():
        return "its directory is missing"
    if not _packing(location, driver, layer).is_file():
        return "its tar-split file is missing"
    if driver == "overlay":
        try:
            link = (location / "overlay" / layer / "link").read_text("ascii", errors="replace")
            if not link or str((location / "overlay/l" / link).readlink()) != f"../{layer}/diff":
                return "its link leads nowhere"
        except (OSError, ValueError):
            return "its link file is missing"
        if layers[layer].get("parent") and not (location / "overlay" / layer / "lower").is_file():
            return "its file `lower` is missing"
    return ""


def _differs(location: Path, driver: str, record: Mapping[str, Any], sound: Container[str]) -> str:
    """The damage of a layer; empty if there is none. `sound`: the layers known to have none."""
    layer, digest = str(record["id"]), str(record.get("diff-digest", ""))
    folder = _folder(location, driver, layer)
    try:
        with gzip.open(_packing(location, driver, layer), "rb") as packing:
            packed = _Packed(folder, packing)
            with tarfile.open(fileobj=packed, mode="r|") as archive:  # type: ignore[call-overload]
                members = list(archive)
            packed.read_to_end()
    except _Gone as gone:
        return str(gone)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error, tarfile.TarError):
        return "its tar-split file cannot be read"
    if digest and f"sha256:{packed.hash.hexdigest()}" != digest:
        return "the content of a file has changed"
    if why := next(_other_attributes(folder, members), ""):
        return why
    parent = str(record.get("parent") or "")
    if driver == "overlay" or not parent:
        return _surplus(folder, members)
    if parent not in sound:
        # What the two do not share is the fault of the parent, or of another store that holds it.
        return ""
    try:
        above = _folder(location, driver, parent)
        return _printable(next(differences(folder, above, (_path(member) for member in members)), ""))
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


class _Gone(Exception):  # noqa: N818 - reads as what happened
    """A file is missing or has another size."""


class _Packed:
    """The archive of a layer, rebuilt from its tar-split file and its files; hashed while it is read."""

    def __init__(self, folder: Path, packing: Iterable[bytes]) -> None:
        self.hash = hashlib.sha256()
        self._parts = self._bytes(folder, packing)
        self._left = b""

    def read(self, size: int) -> bytes:
        """The next bytes of the archive."""
        while len(self._left) < size:
            part = next(self._parts, b"")
            if not part:
                break
            self.hash.update(part)
            self._left += part
        found, self._left = self._left[:size], self._left[size:]
        return found

    def read_to_end(self) -> None:
        """Read the end of the archive, behind the last member."""
        while self.read(1 << 16):
            pass

    def _bytes(self, folder: Path, packing: Iterable[bytes]) -> Iterator[bytes]:
        for line in packing:
            entry = json.loads(line)
            if entry["type"] != 1:
                yield base64.b64decode(entry["payload"])
            elif entry.get("size"):
                raw = entry.get("name_raw")
                name = base64.b64decode(raw) if raw else entry["name"].encode("utf-8", "surrogateescape")
                yield from self._content(folder, os.fsdecode(name), entry["size"])

    def _content(self, folder: Path, name: str, size: int) -> Iterator[bytes]:
        path = folder / name.lstrip("/")
        try:
            # Follow no link that replaced the file.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise _Gone(f"/{_shown(name)} is missing") from error
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                raise _Gone(f"/{_shown(name)} has another size")
            while part := file.read(1 << 18):
                yield part


def _other_attributes(folder: Path, members: Iterable[tarfile.TarInfo]) -> Iterator[str]:
    for member in members:
        name = member.name.removeprefix("./").lstrip("/")
        base = name.rpartition("/")[2]
        if not name or name == "." or base.startswith(WHITEOUT):
            continue
        try:
            status = (folder / name).lstat()
        except OSError:
            yield f"/{_shown(name)} is missing"
            continue
        if _kind(member) not in {0, stat.S_IFMT(status.st_mode)}:
            yield f"/{_shown(name)} has another file type"
        elif (status.st_uid, status.st_gid) != (member.uid, member.gid):
            yield f"/{_shown(name)} has another owner"
        elif not member.issym() and stat.S_IMODE(status.st_mode) != member.mode & 0o7777:
            yield f"/{_shown(name)} has another mode"
        elif member.issym() and str((folder / name).readlink()) != member.linkname:
            yield f"/{_shown(name)} has another target"
        elif _other_attribute(folder / name, member):
            yield f"/{_shown(name)} has other attributes"


def _other_attribute(path: Path, member: tarfile.TarInfo) -> bool:
    packed = {
        key.removeprefix(ATTRIBUTE): value.encode("utf-8", "surrogateescape")
        for key, value in member.pax_headers.items()
        if key.startswith(ATTRIBUTE)
    }
    if not member.islnk() and CAPABILITY not in packed and capability(path):
        return True
    try:
        return any(
            os.getxattr(path, name, follow_symlinks=False) != value
            for name, value in packed.items()
            # Notes of the kernel about a mounted overlay, which buildah 1.28 takes into layers, come and go.
            if not name.startswith(("user.overlay.", "trusted.overlay."))
        )
    except OSError:
        return True


def _kind(member: tarfile.TarInfo) -> int:
    """The file type as in st_mode; 0 for a hard link, whose type is that of another member."""
    if member.isdir():
        return stat.S_IFDIR
    if member.issym():
        return stat.S_IFLNK
    if member.ischr():
        return stat.S_IFCHR
    if member.isblk():
        return stat.S_IFBLK
    if member.isfifo():
        return stat.S_IFIFO
    return 0 if member.islnk() else stat.S_IFREG


def _path(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./").strip("/")


def _surplus(folder: Path, members: Iterable[tarfile.TarInfo]) -> str:
    known = set()
    for member in members:
        above, _, base = _path(member).rpartition("/")
        # overlay stores a removed name as a device of that name.
        base = base.removeprefix(WHITEOUT)
        known.add(f"{above}/{base}" if above else base)
    for top, folders, files in os.walk(folder):
        start = os.path.relpath(top, folder)
        for name in (*folders, *files):
            path = name if start == "." else f"{start}/{name}"
            if path not in known and not name.startswith(WHITEOUT):
                return f"/{_shown(path)} does not belong to it"
    return ""


def _shown(name: str) -> str:
    return _printable(name.removeprefix("./").lstrip("/"))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
