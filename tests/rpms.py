"""Packages and package databases of the tests' own, made by rpmbuild and rpm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

SPEC = """\
Name: {name}
Version: {version}
Release: 1
{epoch}
Summary: Made for a test
License: None
BuildArch: noarch
%description
Made for a test.
{more}
%files
"""


def build(place: Path, name: str, version: str, *, epoch: str = "", more: str = "") -> Path:
    """Build a package without files; `more` is more of its spec. Its file."""
    top = place / f"{name}-{epoch}-{version}-{len(more)}"
    top.mkdir(parents=True)
    spec = top / "it.spec"
    line = f"Epoch: {epoch}" if epoch else ""
    spec.write_text(SPEC.format(name=name, version=version, epoch=line, more=more))
    _run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", "--define", "_buildhost test", str(spec))
    (made,) = top.glob("RPMS/noarch/*.rpm")
    return made


def install(
    root: Path, packages: Iterable[Path], *, database: str = "/var/lib/rpm", at: int = 1500000000
) -> Path:
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


def _run(*words: str, at: int = 1500000000) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(at)}
    done = subprocess.run(words, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
