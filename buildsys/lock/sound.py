"""Whether a file of the pool is still what entered it: read again only when somebody may have changed it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from buildsys import files

SEALED = 1_000_000_000
"""The time, in seconds since 1970, of a file that was read whole and found right. Writing to it ends that."""


def is_sound(path: Path, sha256: str, size: int = 0) -> bool:
    """Whether a file is there with this checksum; one of another `size`, in bytes, is not read."""
    try:
        status = path.stat()
        if size and status.st_size != size:
            return False
        if status.st_mtime != SEALED:
            if files.sha256(path) != sha256:
                return False
            seal(path)
    except OSError:
        return False
    return True


def seal(path: Path) -> None:
    """Mark a file whose checksum is known to be right."""
    # In a pool of somebody else's it is read each time.
    with contextlib.suppress(OSError):
        os.utime(path, (SEALED, SEALED))
