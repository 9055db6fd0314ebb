"""Full disks: which one it is, for whatever failed because of it.

What programs say of a full disk names a file at best, and often something else: a repository out of reach, a
closed pipe.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of the system that say it."""
WORDS = re.compile(
    r"no space left on device|quota exceeded|database or disk is full|needs \d+[KMG]?i?B more space|"
    r"needs \d+ (more )?inodes|not enough (free )?(disk )?space|disk full",
    re.IGNORECASE,
)
"""How programs say it."""
ENOUGH_BYTES, ENOUGH_INODES = 1 << 20, 16
"""Less than this is nothing: a block of metadata, and a line that says what happened."""
HINT = "free some space; the next run goes on from here"

_places: dict[Path, None] = {}
_heard: list[str] = []


def writes(*places: Path) -> None:
    """Note where this process writes: on which disks it can fail."""
    _places.update(dict.fromkeys(places))


def heard(said: str) -> None:
    """Note what was said of a failure before the verb ends."""
    _heard.append(said)


def blamed(said: str) -> str:
    """A sentence about the disk that is to blame for a failure of which this was said; empty when none is.

    To blame is one of those that are written to, or of the temporary folder, that has no space or no inode
    left; or, where what was said says so, the one with the least space: what was written may be gone again.
    """
    words = WORDS.search("\n".join((*_heard, said)))
    found = sorted(_looked(), key=lambda item: (not item[0], item[1]))
    if not found or not (words or found[0][0]):
        return ""
    is_full, _, free = found[0]
    if words and "quota" in words[0].lower():
        what = "the quota of the disk is used up" if is_full else "the quota of a disk is used up"
    else:
        what = "the disk is full" if is_full else "the disk became full"
    return f"{what}: {free}"


def _looked() -> Iterator[tuple[bool, int, str]]:
    """Each disk once: whether it is full, the bytes that can be written, and both with its place in words."""
    seen = set()
    for place in (*_places, Path(os.environ.get("TMPDIR") or "/tmp"), Path()):  # noqa: S108 - only looked at
        there = place.absolute()
        while not there.exists() and there != there.parent:
            there = there.parent
        try:
            device, status = there.stat().st_dev, os.statvfs(there)
        except OSError:
            continue
        if device in seen:
            continue
        seen.add(device)
        # Blocks that are kept for root are of use to root only.
        left = (status.f_bavail if os.geteuid() else status.f_bfree) * status.f_frsize
        free = status.f_bavail * status.f_frsize
        is_full = left < ENOUGH_BYTES or (status.f_files > 0 and status.f_ffree < ENOUGH_INODES)
        inodes = f" and {status.f_ffree} inodes" if status.f_files else ""
        point = there
        while not os.path.ismount(point):
            point = point.parent
        where = f"{point}" if point == there else f"{point}, where {there} lies"
        yield is_full, free, f"{free >> 20} MiB{inodes} free at {where}"
