"""Programs of the host: run them in a fixed environment, and find the busybox that goes into packages."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildsys import programs

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

BYTECODE = "__pycache__"
"""Folders that Python writes next to modules; installers of wheels compile those of a payload, too."""

_PACKAGES = {"createrepo_c": "createrepo-c"}
"""Debian packages of tools that have another name."""


class StandinError(Exception):
    """The repository cannot be built: a tool failed, a payload is wrong, the disk is full.

    Mistakes in the data file are Diagnostics instead.
    """


class MissingTool(StandinError):  # noqa: N818 - reads as what happened
    """A required program is not installed."""


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Run a tool without the user's environment, locale, time zone and umask; its stdout.

    Raises:
        MissingTool: it is not installed.
        StandinError: it failed; with the last lines of its output.
    """
    clean = {"PATH": PATH, "LC_ALL": "C", "TZ": "UTC", **(env or {})}
    try:
        done = programs.run(argv, env=clean, umask=0o022)
    except FileNotFoundError:
        package = f" (Debian's package {_PACKAGES[argv[0]]})" if argv[0] in _PACKAGES else ""
        raise MissingTool(f"the stand-in packages need {argv[0]}{package}, which is not installed") from None
    if done.status:
        printed = (done.out + done.err).strip().splitlines()[-20:]
        raise StandinError("\n  ".join([f"{argv[0]} failed (exit status {done.status}):", *printed]))
    return done.out


# ── busybox ─────────────────────────────────────────────────────────────────────────────────────────────────

_PT_INTERP = 3
"""elf(5): type of the program header that names a dynamic loader."""
_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
"""Architectures of rpm by `e_machine` of elf(5)."""


@dataclass(frozen=True)
class Busybox:
    """A statically linked busybox of the host: the shell and the programs of every stand-in root."""

    content: bytes
    version: str
    digest: str
    """SHA-256 of the content."""
    architecture: str
    """A name of rpm."""
    applets: frozenset[str]
    """Names of its programs."""


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
    """Read the binary, and run it to learn its version and its applets.

    Raises:
        StandinError: it prints no version, or it is for an unknown architecture.
    """
    content = path.read_bytes()
    printed = run([str(path)])
    version = re.match(r"BusyBox v([0-9.]+)", printed)
    if not version:
        raise StandinError(f"{path} prints no version, but: {printed[:80]}")
    applets = frozenset(run([str(path), "--list"]).split())
    digest = hashlib.sha256(content).hexdigest()
    return Busybox(content, version[1], digest, _architecture(path, content), applets)


def _architecture(path: Path, content: bytes) -> str:
    (machine,) = struct.unpack_from(("<" if content[5] == 1 else ">") + "H", content, 18)
    if machine not in _MACHINES:
        raise StandinError(f"{path} is for an unknown architecture: ELF machine {machine}")
    return _MACHINES[machine]


def _is_static(path: Path) -> bool:
    """Whether an ELF file names no dynamic loader."""
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
