"""The host's statically linked busybox: the shell and the tools of every stand-in root."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from .errors import MissingTool, StandinError
from .tools import PATH, run

_PT_INTERP = 3
_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
"""Machines by ELF's numbers, as rpm calls them."""


@dataclass(frozen=True)
class Busybox:
    """The only content of the repository that no file of ours holds."""

    content: bytes
    version: str
    digest: str
    architecture: str
    """As rpm calls it."""
    applets: frozenset[str]


def find_busybox() -> Path:
    """The first statically linked busybox on PATH, /usr/sbin and /sbin.

    Raises:
        MissingTool: there is none.
    """
    for folder in PATH.split(os.pathsep):
        found = shutil.which("busybox", path=folder)
        if found and _is_static(Path(found)):
            return Path(found)
    raise MissingTool(
        "the stand-in packages need a statically linked busybox (Debian's package busybox-static), "
        "which is not installed"
    )


def read_busybox(path: Path) -> Busybox:
    """The binary and what it says of itself.

    Raises:
        StandinError: it does not say its version, or is for a machine that is not known here.
    """
    content = path.read_bytes()
    said = run([str(path)])
    version = re.match(r"BusyBox v([0-9.]+)", said)
    if not version:
        raise StandinError(f"{path} does not say its version, but: {said[:80]}")
    applets = frozenset(run([str(path), "--list"]).split())
    digest = hashlib.sha256(content).hexdigest()
    return Busybox(content, version[1], digest, _architecture(path, content), applets)


def _architecture(path: Path, content: bytes) -> str:
    (machine,) = struct.unpack_from(("<" if content[5] == 1 else ">") + "H", content, 18)
    if machine not in _MACHINES:
        raise StandinError(f"{path} is for a machine of ELF's number {machine}, which has no packages here")
    return _MACHINES[machine]


def _is_static(path: Path) -> bool:
    """Whether an ELF file names no program that would have to load it."""
    with path.open("rb") as stream:
        head = stream.read(64)
        if len(head) < 64 or head[:4] != b"\x7fELF":
            return False
        order = "<" if head[5] == 1 else ">"
        wide = head[4] == 2
        (offset,) = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)
        size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
        stream.seek(offset)
        table = stream.read(size * count)
    kinds = (struct.unpack_from(order + "I", table, size * number)[0] for number in range(count))
    return _PT_INTERP not in kinds
