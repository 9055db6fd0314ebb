"""Packages and package databases of the tests' own, made by the stand-ins' writer and by rpm."""

from __future__ import annotations

import gzip
import os
import stat
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from buildsys.standins import rpm_file as format_4
from buildsys.standins.openpgp import SigningKey, read_secret_key
from buildsys.standins.rpm_file import LUA, File, Rpm, Script, Sign, rpm_file

STAND_INS = Path(__file__).parents[1] / "recipes/stable-pike/standins"
MADE = 1500000000
"""When the files of packages were written, in seconds: before any epoch, as in what was published."""


def rpm(name: str, version: str = "1.0", *files: File, release: str = "1") -> Rpm:
    """A package that `dataclasses.replace` gives all else."""
    return Rpm(name, version, release, "Made for a test", "Made for a test.", MADE, files)


def script(text: str) -> Script | None:
    """A script as a spec file has it: of the shell, or after a line `-p <lua>` of rpm's Lua; empty: none."""
    if text.startswith("-p"):
        head, _, text = text.partition("\n")
        assert head == f"-p {LUA}"
        return Script(text, LUA)
    return Script(text) if text else None


def write(folder: Path, package: Rpm, sign: Sign | None = None) -> Path:
    """Write a package into a folder; its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / package.file_name
    file.write_bytes(rpm_file(package, sign))
    return file


def build(place: Path, name: str, version: str, *, epoch: int | None = None, about: str = "") -> Path:
    """A package without files that nobody signed, in a folder of its own. Its file."""
    package = replace(rpm(name, version), epoch=epoch)
    if about:
        package = replace(package, description=about)
    return write(place / f"{name}-{epoch}-{version}-{len(about)}", package)


def tree(top: Path) -> Iterator[File]:
    """The directories, files and links below a directory, as files of a package. Root owns all."""
    for path in sorted(top.rglob("*")):
        mode = path.lstat().st_mode
        yield File(
            f"/{path.relative_to(top)}",
            mode,
            content=path.read_bytes() if stat.S_ISREG(mode) else b"",
            target=str(path.readlink()) if stat.S_ISLNK(mode) else "",
        )


def stand_in_key() -> SigningKey:
    """The published key of the stand-in packages."""
    return read_secret_key((STAND_INS / "keys/stand-in.secret.asc").read_text())


def sign(file: Path, by: Sign | None) -> None:
    """Sign a package anew, in the place of whoever signed it before; by None: it is signed by nobody."""
    content = file.read_bytes()
    main = -(-_end_of_header(content, 96) // 8) * 8
    payload = _end_of_header(content, main)
    unpacked = len(gzip.decompress(content[payload:]))
    signatures = format_4._signatures(content[main:payload], content[payload:], unpacked, by)
    # Another file of the same name: it may be linked from elsewhere.
    new = file.with_name(f".{file.name}")
    new.write_bytes(content[:96] + signatures + b"\0" * (-len(signatures) % 8) + content[main:])
    new.replace(file)


def _end_of_header(content: bytes, start: int) -> int:
    entries, size = struct.unpack_from(">II", content, start + 8)
    return int(start + 16 + 16 * entries + size)


def install(root: Path, packages: Iterable[Path], *, database: str = "/var/lib/rpm", at: int = MADE) -> Path:
    """Write packages into the database of a root, as if at that time, and nothing else; the root."""
    words = [
        "--root",
        str(root),
        "--dbpath",
        database,
        "--justdb",
        "--nodeps",
        "--nosignature",
        "--noscripts",
    ]
    root.mkdir(parents=True)
    _run("rpm", *words, "--upgrade", "--oldpackage", *map(str, packages), at=at)
    for side in root.rglob("*"):
        if side.name.endswith(("-shm", "-wal", ".lock")):
            side.unlink()
    return root


def _run(*words: str, at: int) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(at)}
    done = subprocess.run(words, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
