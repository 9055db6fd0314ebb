"""The host's statically linked busybox: the shell and the tools of every stand-in root."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
from pathlib import Path

from .data import MissingTool, StandinError
from .payload import Busybox
from .rpms import run

_PT_INTERP = 3


def find_busybox() -> Path:
    """The first statically linked busybox on PATH or in the usual places.

    Raises:
        MissingTool: there is none.
    """
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/bin:/bin:/usr/sbin:/sbin"
    for folder in path.split(":"):
        found = shutil.which("busybox", path=folder)
        if found and _is_static(Path(found)):
            return Path(found)
    raise MissingTool(
        "the stand-in packages need a statically linked busybox (Debian's package busybox-static), "
        "which is not installed"
    )


def read_busybox(path: Path) -> Busybox:
    """The binary with its version and digest.

    Raises:
        StandinError: it does not say its version.
    """
    content = path.read_bytes()
    said = run([str(path)])
    version = re.match(r"BusyBox v([0-9.]+)", said)
    if not version:
        raise StandinError(f"{path} does not say its version: {said.splitlines()[:1]}")
    return Busybox(content, version[1], hashlib.sha256(content).hexdigest(), frozenset(run([str(path), "--list"]).split()))


def _is_static(path: Path) -> bool:
    """Whether an ELF file names no program that would have to load it."""
    with path.open("rb") as stream:
        head = stream.read(64)
        if head[:4] != b"\x7fELF":
            return False
        order = "<" if head[5] == 1 else ">"
        wide = head[4] == 2
        offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
        size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
        stream.seek(offset)
        table = stream.read(size * count)
    kinds = (struct.unpack_from(order + "I", table, size * number)[0] for number in range(count))
    return _PT_INTERP not in kinds
