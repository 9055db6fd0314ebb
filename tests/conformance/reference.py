"""What copied files and downloads are compared with.

Files Kolla copies are payload of the package `openstack-kolla`. The facts know their sizes and checksums as
published; a package made here has other bytes, and is then given as the reference itself.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.sites.packages import DNF

from .facts import CopiedFile, Facts

KOLLA = "usr/share/kolla/"


@dataclass(frozen=True, slots=True)
class Reference:
    """The bytes a file should have; `data` is None where only size and checksum are known."""

    size: int
    sha256: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class References:
    """Copied files by their path below /usr/share/kolla; sha256 of downloads by URL; newest packages."""

    files: Mapping[str, Reference]
    downloads: Mapping[str, str] = field(default_factory=dict)
    newest: Mapping[str, str] = field(default_factory=dict)
    """Name: epoch:version-release of the newest package of the repository; empty when none was given."""


def of(data: bytes) -> Reference:
    """The reference that is these bytes."""
    return Reference(len(data), hashlib.sha256(data).hexdigest(), data)


def published(facts: Facts) -> dict[str, Reference]:
    """Sizes and checksums as the facts have them."""
    return {file.source: Reference(file.size, file.sha256) for file in _copied(facts)}


def payload(facts: Facts, rpm: Path) -> dict[str, Reference]:
    """The copied files in an `openstack-kolla` package; one it lacks is left out.

    Raises:
        subprocess.CalledProcessError: the file is no RPM.
    """
    with rpm.open("rb") as stream:
        done = subprocess.run(["rpm2archive", "-n", "-"], stdin=stream, capture_output=True, check=True)
    wanted = {KOLLA + file.source: file.source for file in _copied(facts)}
    found: dict[str, Reference] = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            source = wanted.get(member.name.removeprefix("./"))
            content = archive.extractfile(member) if source and member.isfile() else None
            if source and content:
                found[source] = of(content.read())
    return found


def newest(repository: Path) -> dict[str, str]:
    """The newest version of each package in a repository: name to epoch:version-release.

    Raises:
        subprocess.CalledProcessError: the directory is no repository.
    """
    command = [DNF, "--quiet", "--disablerepo=*", f"--repofrompath=given,{repository.resolve()}"]
    command += ["--enablerepo=given", "repoquery", "--latest-limit=1"]
    # dnf 4 begins a line for each package by itself, dnf5 does not.
    command += ["--queryformat=%{name} %{epoch}:%{version}-%{release}\\n"]
    with tempfile.TemporaryDirectory() as cache:
        command += [f"--setopt=cachedir={cache}", f"--setopt=system_cachedir={cache}"]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if line)


def _copied(facts: Facts) -> list[CopiedFile]:
    return [file for image in facts.images.values() for file in image.files]
