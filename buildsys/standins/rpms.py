"""Stand-in packages as signed RPM files."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from .data import BUSYBOX, StandinData
from .openpgp import read_secret_key
from .payload import Entry, Package
from .rpm_file import Aspect, File, FileFlag, Rpm, Script, Sense, dependency, rpm_file
from .tools import StandinError

_TYPES = {"directory": stat.S_IFDIR, "file": stat.S_IFREG, "link": stat.S_IFLNK}


def build_rpms(
    packages: Iterable[Package], data: StandinData, secret_key: Path
) -> Iterator[tuple[str, bytes]]:
    """Every package as a signed RPM file: (file name, bytes).

    Raises:
        StandinError: the key is unusable.
    """
    try:
        key = read_secret_key(secret_key.read_text("ascii"))
    except (StandinError, UnicodeDecodeError) as error:
        raise StandinError(f"{secret_key}: {error}") from None
    for package in packages:
        rpm = as_rpm(package, data)
        yield rpm.file_name, rpm_file(rpm, lambda content: key.sign(content, data.epoch))


def as_rpm(package: Package, data: StandinData) -> Rpm:
    """A package as it is written."""
    name = package.name
    source = "buildsys-busybox" if name == BUSYBOX else "buildsys-stand-ins"
    # Programs that a script calls must be installed before it runs.
    early = (Sense.PRE if package.pre else Sense.ANY, Sense.POST if package.post else Sense.ANY)
    senses = dict.fromkeys((Sense.ANY, *early))
    return Rpm(
        name=name,
        epoch=int(package.epoch) if package.epoch else None,
        version=package.version,
        release=package.release,
        architecture=package.architecture,
        summary=f"A stand-in for {name}, not {name} itself",
        description=f"Stands in for {name} (of {package.source}) where images are built without the real "
        "packages.\nIt has the name, version and dependencies of the real one, and just enough files to be "
        "acted upon.",
        license="GPL-2.0-only" if name == BUSYBOX else "Apache-2.0",
        vendor=data.vendor,
        source=f"{source}-1-1.src.rpm",
        time=data.epoch,
        requires=tuple(dependency(text, sense) for text in package.requires for sense in senses),
        provides=tuple(dependency(text) for text in package.provides),
        pre=_script(package.pre),
        post=_script(package.post),
        files=tuple(_file(entry, data) for entry in package.entries),
    )


def _script(text: str) -> Script | None:
    return Script(text.rstrip("\n")) if text else None


def _file(entry: Entry, data: StandinData) -> File:
    changes = entry.kind == "file" and entry.path in data.unverified
    configures = entry.kind == "file" and entry.path.startswith("/etc/")
    return File(
        entry.path,
        _TYPES[entry.kind] | entry.mode,
        content=entry.content,
        target=entry.target,
        owner="root" if entry.kind == "link" else entry.owner,
        flags=FileFlag.CONFIG | FileFlag.NOREPLACE if configures else FileFlag.NONE,
        unverified=Aspect.DIGEST | Aspect.SIZE | Aspect.TIME if changes else Aspect.NONE,
    )
