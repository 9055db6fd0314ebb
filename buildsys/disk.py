"""Full disks: names the full disk behind a failure.

Messages of programs name a file at best, and often another cause: a repository out of reach, a closed pipe.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of the system for a full disk and a used-up quota."""
QUOTA = re.compile(
    # Without `disk` it may be the quota of a server, whose words go on: "quota exceeded for …".
    r"disk quota exceeded|\bquota exceeded(?= \(|[^ \w]|$)|\bEDQUOT\b|\[Errno 122\]|\bos error 122\b",
    re.IGNORECASE | re.MULTILINE,
)
"""A used-up quota in messages of programs: of glibc, musl, Go, Python, Rust, JavaScript."""
WORDS = re.compile(
    rf"no space left on device|{QUOTA.pattern}|database or disk is full|needs \d+[KMG]?i?B more space|"
    r"needs \d+ (more )?inodes|not enough (free )?(disk )?space|disk full|"
    r"\bENOSPC\b|\[Errno 28\]|\bos error 28\b",
    re.IGNORECASE | re.MULTILINE,
)
"""A full disk or a used-up quota."""
ENOUGH_BYTES, ENOUGH_INODES = 1 << 20, 16
"""A disk with less is full: this is enough for a block of metadata and a message."""
HINT = "free some space; the next run goes on from here"

_places: dict[Path, None] = {}
_heard: list[str] = []


def writes(*places: Path) -> None:
    """Note places where this process writes: their disks can be the cause of a failure."""
    _places.update(dict.fromkeys(places))


def heard(message: str) -> None:
    """Note the message of a failed program; `blamed` searches it, too."""
    _heard.append(message)


def blamed(message: str, *, only_by_words: bool = False) -> str:
    """A sentence that names the disk which caused the failure with this message; empty if none did.

    Disks that this process writes to, and that of the temporary folder, are examined for space and inodes. If
    the message reports a full disk, the cause is the one with the least space: the file that filled it may be
    gone again. `only_by_words`: the message must report one, as a mistake in a recipe is a mistake on a full
    disk, too.
    """
    words = WORDS.search("\n".join((*_heard, message)))
    found = sorted(_looked(), key=lambda item: (not item[0], item[1]))
    if not found or not (words or (found[0][0] and not only_by_words)):
        return ""
    is_full, _, free = found[0]
    if words and QUOTA.search(words[0]):
        what = "the quota of the disk is used up" if is_full else "the quota of a disk is used up"
    else:
        what = "the disk is full" if is_full else "the disk became full"
    return f"{what}: {free}"


def _looked() -> Iterator[tuple[bool, int, str]]:
    """Each disk once: whether it is full, the free bytes, and these with inodes and mount point in words."""
    seen = set()
    for place in (*_places, Path(os.environ.get("TMPDIR") or "/tmp"), Path()):  # noqa: S108 - only looked at
        there = place.absolute()
        while not there.exists() and there != there.parent:
            there = there.parent
        try:
            device, status = there.stat().st_dev, os.statvfs(there)
        except OSError:
            continue
        # A read-only file system never has space left.
        if device in seen or status.f_flag & os.ST_RDONLY:
            continue
        seen.add(device)
        # Some blocks are reserved for root.
        left = (status.f_bavail if os.geteuid() else status.f_bfree) * status.f_frsize
        free = status.f_bavail * status.f_frsize
        is_full = left < ENOUGH_BYTES or (status.f_files > 0 and status.f_ffree < ENOUGH_INODES)
        inodes = f" and {status.f_ffree} inodes" if status.f_files else ""
        point = there
        while not os.path.ismount(point):
            point = point.parent
        where = f"{point}" if point == there else f"{point}, where {there} lies"
        yield is_full, free, f"{free >> 20} MiB{inodes} free at {where}"
