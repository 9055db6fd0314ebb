"""What the header of an RPM package says of its files: whether two builds of it bring the same ones.

Version 4 of the format has a lead, a signature and a header, both of these an index of tags and what they
point at. https://rpm-software-management.github.io/rpm/manual/format.html
"""

from __future__ import annotations

import hashlib
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LEAD = 96
MAGIC = b"\x8e\xad\xe8\x01"
SHA256 = 8
GHOST = 64
INTEGERS = {2: "B", 3: "H", 4: "I", 5: "Q"}
TEXTS = {6, 8, 9}
FLAGS, MODES, TIMES, DIGESTS, LINKS = 1037, 1030, 1034, 1035, 1036
DEVICES, NUMBERS, INDEXES, NAMES, FOLDERS = 1095, 1096, 1116, 1117, 1118
ALGORITHM, CAPABILITIES = 5011, 5010


@dataclass(frozen=True, slots=True)
class File:
    """A file, folder or link of a package."""

    mode: int
    time: int
    digest: str
    link: str
    same: tuple[int, int]
    """What hard links have in common."""


Files = Mapping[str, File]
"""Those of a package, by their paths."""


def taken(files: Files, source: str, epoch: int) -> str | None:
    """A hash of all that a copy of `source`, a path, takes out of a package: equal hashes, equal copies.

    `epoch`, in seconds, is the time that newer files get. Nothing where a path leads over a link, or nowhere.
    """
    place = str(PurePosixPath("/", source.lstrip("/")))
    if place == "/" or any(_is_link(files, above) for above in PurePosixPath(place).parents):
        return None
    below = {name: file for name, file in files.items() if name == place or name.startswith(f"{place}/")}
    if not below:
        return None
    alone = place in files and not stat.S_ISDIR(files[place].mode)
    first: dict[tuple[int, int], str] = {}
    said = []
    for name, file in sorted(below.items()):
        # A file that is copied alone is as new as the copy.
        time = 0 if alone and stat.S_ISREG(file.mode) else min(file.time, epoch)
        same = first.setdefault(file.same, name) if stat.S_ISREG(file.mode) else name
        said.append((name[len(place) :], f"{file.mode:o}", time, file.digest, file.link, same[len(place) :]))
    return f"sha256:{hashlib.sha256(repr(said).encode()).hexdigest()}"


def _is_link(files: Files, path: PurePosixPath) -> bool:
    return (file := files.get(str(path))) is not None and not stat.S_ISDIR(file.mode)


def files_of(package: Path) -> Files:
    """What is in a package; nothing when its header does not say it all.

    So it is with a package that is no RPM or an old one, and with capabilities.
    """
    try:
        with package.open("rb") as opened:
            tags = _tags(opened.read(1 << 24))
        return dict(_listed(tags))
    except (OSError, ValueError, KeyError, IndexError, struct.error, UnicodeError):
        return {}


def _listed(tags: dict[int, tuple[int, ...] | tuple[str, ...]]) -> Iterator[tuple[str, File]]:
    if tags[ALGORITHM] != (SHA256,) or any(tags.get(CAPABILITIES, ())):
        raise ValueError("not a package whose header says all")
    # Where there are no links there may be no list of them.
    tags = {LINKS: ("",) * len(tags[NAMES]), **tags}
    columns = (tags[tag] for tag in (NAMES, INDEXES, MODES, TIMES, DIGESTS, LINKS, FLAGS, DEVICES, NUMBERS))
    for name, folder, mode, time, digest, link, flags, device, number in zip(*columns, strict=True):
        if not int(flags) & GHOST:
            where = f"{tags[FOLDERS][int(folder)]}{name}"
            yield where, File(int(mode), int(time), str(digest), str(link), (int(device), int(number)))


def _tags(content: bytes) -> dict[int, tuple[int, ...] | tuple[str, ...]]:
    signature = _end(content, LEAD)
    begin = signature + -signature % 8
    _end(content, begin)
    count, _ = struct.unpack_from(">II", content, begin + 8)
    entries = [struct.unpack_from(">IIII", content, begin + 16 + 16 * i) for i in range(count)]
    data = begin + 16 + 16 * count
    found: dict[int, tuple[int, ...] | tuple[str, ...]] = {}
    for tag, kind, offset, number in entries:
        if kind in INTEGERS:
            found[tag] = struct.unpack_from(f">{number}{INTEGERS[kind]}", content, data + offset)
        elif kind in TEXTS:
            found[tag] = tuple(_texts(content, data + offset, number))
    return found


def _texts(content: bytes, at: int, number: int) -> Iterator[str]:
    for _ in range(number):
        end = content.index(b"\0", at)
        yield content[at:end].decode("utf-8", "surrogateescape")
        at = end + 1


def _end(content: bytes, at: int) -> int:
    """Where a header ends that begins there."""
    if content[at : at + 4] != MAGIC:
        raise ValueError("no header of a package")
    entries, size = struct.unpack_from(">II", content, at + 8)
    return at + 16 + int(entries) * 16 + int(size)
