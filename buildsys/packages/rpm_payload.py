"""The files of an RPM package, from its header: whether two builds of it have the same ones.

Version 4 of the format has a lead, a signature and a header, both of these an index of tags and what they
point at. https://rpm-software-management.github.io/rpm/manual/format.html
"""

from __future__ import annotations

import hashlib
import re
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

LEAD = 96
MAGIC = b"\x8e\xad\xe8\x01"
SHA256 = 8
GHOST = 64
INTEGERS = {2: "B", 3: "H", 4: "I", 5: "Q"}
TEXTS = {6, 8, 9}
FLAGS, MODES, TIMES, DIGESTS, LINKS = 1037, 1030, 1034, 1035, 1036
DEVICES, NUMBERS, INDEXES, NAMES, FOLDERS = 1095, 1096, 1116, 1117, 1118
ALGORITHM, CAPABILITIES = 5011, 5010
BUILD_TIME = 1006


@dataclass(frozen=True, slots=True)
class File:
    """A file, folder or link of a package."""

    mode: int
    time: int
    digest: str
    link: str
    same: tuple[int, int]
    """Device and inode, equal for hard links to one file."""
    capability: str
    """Its attribute security.capability, in hexadecimal digits; empty: none."""


Files = Mapping[str, File]
"""The files of a package, by path."""


def taken(files: Files, source: str, epoch: int) -> str | None:
    """A hash of all files that a copy of the path `source` takes from a package: equal hashes, equal copies.

    `epoch`, in seconds, is the time that newer files get. None where the path leads over a link, or is
    missing.
    """
    place = str(PurePosixPath("/", source.lstrip("/")))
    if place == "/" or any(_is_link(files, above) for above in PurePosixPath(place).parents):
        return None
    below = {name: file for name, file in files.items() if name == place or name.startswith(f"{place}/")}
    if not below:
        return None
    alone = place in files and not stat.S_ISDIR(files[place].mode)
    first: dict[tuple[int, int], str] = {}
    taken_files = []
    for name, file in sorted(below.items()):
        # A single file gets the time of the copy.
        time = 0 if alone and stat.S_ISREG(file.mode) else min(file.time, epoch)
        same = first.setdefault(file.same, name) if stat.S_ISREG(file.mode) else name
        kept = (time, file.digest, file.link, same[len(place) :], file.capability)
        taken_files.append((name[len(place) :], f"{file.mode:o}", *kept))
    return f"sha256:{hashlib.sha256(repr(taken_files).encode()).hexdigest()}"


def _is_link(files: Files, path: PurePosixPath) -> bool:
    return (file := files.get(str(path))) is not None and not stat.S_ISDIR(file.mode)


def files_of(package: Path) -> Files:
    """The files of a package; empty if it is not an RPM, or if its header lacks something."""
    try:
        with package.open("rb") as opened:
            tags = _tags(opened.read(1 << 24))
        return dict(_listed(tags))
    except (OSError, ValueError, KeyError, IndexError, struct.error, UnicodeError):
        return {}


def _listed(tags: dict[int, tuple[int, ...] | tuple[str, ...]]) -> Iterator[tuple[str, File]]:
    if tags[ALGORITHM] != (SHA256,):
        raise ValueError("not a package whose header says all")
    # The lists of links and of capabilities may be missing if there are none.
    none = ("",) * len(tags[NAMES])
    tags = {LINKS: none, CAPABILITIES: none, **tags}
    columns = (NAMES, INDEXES, MODES, TIMES, DIGESTS, LINKS, FLAGS, DEVICES, NUMBERS, CAPABILITIES)
    for row in zip(*(tags[tag] for tag in columns), strict=True):
        name, folder, mode, time, digest, link, flags, device, number, text = row
        if not int(flags) & GHOST:
            where = f"{tags[FOLDERS][int(folder)]}{name}"
            same, capability = (int(device), int(number)), _capability(str(text))
            yield where, File(int(mode), int(time), str(digest), str(link), same, capability)


def capabilities(files: Files, source: str) -> Iterator[tuple[str, str]]:
    """Files with capabilities in a copy of `source`: the path below it, and the attribute."""
    place = str(PurePosixPath("/", source.lstrip("/")))
    for name, file in sorted(files.items()):
        if file.capability and (name == place or name.startswith(f"{place}/")):
            yield name[len(place) :], file.capability


_CAPABILITIES = """
chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot
sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease
audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read
perfmon bpf checkpoint_restore
""".split()
_CLAUSE = re.compile(r"([a-z_,]*)((?:[=+-][eip]*)+)")


def _capability(text: str) -> str:
    """The attribute of a text like `cap_net_raw=ep`, after cap_from_text(3) and Linux's capability.h.

    Raises:
        ValueError: it has another form.
    """
    sets: dict[str, set[int]] = {"e": set(), "i": set(), "p": set()}
    for clause in text.split():
        matched = _CLAUSE.fullmatch(clause)
        if matched is None:
            raise ValueError(f"not capabilities: {text}")
        names = [name for name in matched[1].split(",") if name and name != "all"]
        numbers = {_CAPABILITIES.index(name.removeprefix("cap_")) for name in names}
        numbers = numbers or set(range(len(_CAPABILITIES)))
        for operator, flags in re.findall(r"([=+-])([eip]*)", matched[2]):
            for flag, held in sets.items():
                if operator == "=" or flag in flags:
                    held.difference_update(numbers)
                if operator != "-" and flag in flags:
                    held.update(numbers)
    if not any(sets.values()):
        return ""
    words = [0x02000000 | bool(sets["e"])]
    for low in (0, 32):
        words += [sum(1 << n - low for n in sets[flag] if low <= n < low + 32) for flag in "pi"]
    return f"0x{struct.pack('<5I', *words).hex()}"


def build_time(package: BinaryIO) -> int:
    """When an RPM package was built; it reads little of the file. See `PackageFormat.build_time`."""
    package.seek(LEAD)
    begin = _end(bytes(LEAD) + package.read(16), LEAD)
    package.seek(begin + -begin % 8)
    magic, count, _ = struct.unpack(">4s4xII", package.read(16))
    entries = struct.iter_unpack(">IIII", package.read(16 * count)) if magic == MAGIC else ()
    data = package.tell()
    for tag, _, offset, _ in entries:
        if tag == BUILD_TIME:
            package.seek(data + offset)
            (time,) = struct.unpack(">I", package.read(4))
            return int(time)
    raise ValueError("no header of a package")


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
    """The end of the header that begins at `at`."""
    if content[at : at + 4] != MAGIC:
        raise ValueError("no header of a package")
    entries, size = struct.unpack_from(">II", content, at + 8)
    return at + 16 + int(entries) * 16 + int(size)
