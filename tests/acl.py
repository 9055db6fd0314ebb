"""ACLs of files, without the programs that set them."""

from __future__ import annotations

import os
import struct
from pathlib import Path

OWNER, USER, GROUP, MASK, OTHER = 1, 2, 4, 16, 32
"""Kinds of entries, as Linux's posix_acl_xattr.h has them."""
NOBODY = 0xFFFFFFFF


def acl() -> bytes:
    """The owner may read and write, as may the user 1234; its group and all others may do nothing."""
    entries = ((OWNER, 6, NOBODY), (USER, 6, 1234), (GROUP, 0, NOBODY), (MASK, 6, NOBODY), (OTHER, 0, NOBODY))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def give(path: Path, *, default: bool = False) -> None:
    """Give it that ACL; `default`: to all that is made in the folder from now on."""
    os.setxattr(path, f"system.posix_acl_{'default' if default else 'access'}", acl())
