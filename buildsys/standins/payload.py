"""The contents of each stand-in package: its own files, generated scripts, links and their directories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from .data import BUSYBOX, PLAIN_PATH, PackageData, Scripts, SourceData, StandinData
from .tools import BYTECODE, Busybox, StandinError


@dataclass(frozen=True, order=True)
class Entry:
    """One path of a package: a directory, a file with its content, or a symbolic link with its target."""

    path: str
    kind: Literal["directory", "file", "link"]
    mode: int
    content: bytes = b""
    target: str = ""
    owner: str = "root"


@dataclass(frozen=True)
class Package:
    """One package as it is built; all defaults are filled in."""

    name: str
    source: str
    epoch: str
    """Empty: the package has none."""
    version: str
    release: str
    architecture: str
    requires: tuple[str, ...]
    provides: tuple[str, ...]
    pre: str
    post: str
    entries: tuple[Entry, ...]


def packages(data: StandinData, payload: Path, busybox: Busybox) -> tuple[Package, ...]:
    """Every package with its contents, sorted by name.

    Raises:
        StandinError: a payload without a package or with a link; a path in two packages; an applet that
            busybox does not have.
    """
    known = {name for _, _, name, _ in data.packages()}
    for folder in sorted(payload.iterdir()):
        if folder.name not in known:
            raise StandinError(f"{folder}: there is no package '{folder.name}'")
    bare = [
        _package(source_name, source, name, package, scripts=data.scripts, folder=payload / name)
        for source_name, source, name, package in data.packages()
    ]
    bare.append(_busybox(busybox))
    _refuse_unknown_applets(data, busybox)
    _refuse_shared(bare)
    whole = (_with_directories(package, data, bare) for package in bare)
    return tuple(sorted(whole, key=lambda package: package.name))


def _package(
    source_name: str, source: SourceData, name: str, written: PackageData, *, scripts: Scripts, folder: Path
) -> Package:
    epoch, version, release = split_version(written.version or source.version)
    entries = [
        *_files(folder),
        *_scripts(scripts.programs, written.programs, name, version),
        *_scripts(scripts.services, written.services, name, version),
        *(Entry(path, "directory", 0o755) for path in written.directories),
        *(Entry(path, "link", 0o777, target=target) for path, target in written.links.items()),
        *(_applet(program) for program in written.applets),
    ]
    requires = [*written.requires, *([BUSYBOX] if written.applets else [])]
    return Package(
        name=name,
        source=source_name,
        epoch=epoch,
        version=version,
        release=release,
        architecture="noarch",
        requires=tuple(dict.fromkeys(requires)),
        provides=tuple(written.provides),
        pre=written.pre or "",
        post=written.post or "",
        entries=tuple(entries),
    )


def split_version(text: str) -> tuple[str, str, str]:
    """Epoch (empty for none), version and release of [EPOCH:]VERSION-RELEASE."""
    epoch, _, rest = text.rpartition(":")
    version, _, release = rest.rpartition("-")
    return epoch, version, release


def _files(folder: Path) -> Iterator[Entry]:
    if not folder.is_dir():
        return
    for file in sorted(folder.rglob("*")):
        if BYTECODE in file.relative_to(folder).parts:
            continue
        if file.is_symlink() or not (file.is_file() or file.is_dir()):
            raise StandinError(f"{file}: a payload holds plain files; write links into the data file")
        path = f"/{file.relative_to(folder).as_posix()}"
        if not PLAIN_PATH.fullmatch(path):
            raise StandinError(f"{file}: names in a payload have plain characters only")
        if file.is_file():
            # git keeps only this bit of a mode.
            mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
            yield Entry(path, "file", mode, file.read_bytes())


def _scripts(text: str, programs: Iterable[str], package: str, version: str) -> Iterator[Entry]:
    for program in programs:
        path = PurePosixPath("/usr/bin", program)
        script = text
        for word, value in {"NAME": path.name, "PACKAGE": package, "VERSION": version}.items():
            script = script.replace(f"@{word}@", value)
        yield Entry(str(path), "file", 0o755, script.encode())


def _applet(program: str) -> Entry:
    path = PurePosixPath("/usr/bin", program)
    target = BUSYBOX if path.parent.name == "bin" else f"../bin/{BUSYBOX}"
    return Entry(str(path), "link", 0o777, target=target)


def _busybox(busybox: Busybox) -> Package:
    # With the digest in the release, equal file names mean equal bytes, whatever busybox the host has.
    release = f"0.{busybox.digest[:12]}.el7"
    binary = Entry(f"/usr/bin/{BUSYBOX}", "file", 0o755, busybox.content)
    return Package(
        name=BUSYBOX,
        source=BUSYBOX,
        epoch="",
        version=busybox.version,
        release=release,
        architecture=busybox.architecture,
        requires=("filesystem",),
        provides=(),
        pre="",
        post="",
        entries=(binary,),
    )


def _refuse_unknown_applets(data: StandinData, busybox: Busybox) -> None:
    wanted = {PurePosixPath(program).name for *_, package in data.packages() for program in package.applets}
    if unknown := sorted(wanted - busybox.applets):
        raise StandinError(f"busybox {busybox.version} lacks applets of the stand-ins: {', '.join(unknown)}")


def _refuse_shared(all_packages: Iterable[Package]) -> None:
    owners: dict[str, list[str]] = defaultdict(list)
    for package in all_packages:
        for entry in package.entries:
            if entry.kind != "directory":
                owners[entry.path].append(package.name)
    for path, names in sorted(owners.items()):
        if len(names) > 1:
            raise StandinError(f"{path} is in more than one package: {', '.join(names)}")


def _with_directories(package: Package, data: StandinData, all_packages: Iterable[Package]) -> Package:
    """Apply the modes and owners of the data file, and add every directory that the paths need.

    A directory that no package contains would get the time of the installation.
    """
    filesystem = {entry.path for one in all_packages if one.name == "filesystem" for entry in one.entries}
    entries = {entry.path: entry for entry in package.entries}
    for path in list(entries):
        for parent in PurePosixPath(path).parents:
            if str(parent) != "/" and str(parent) not in filesystem:
                entries.setdefault(str(parent), Entry(str(parent), "directory", 0o755))
    for path, mode in data.modes.items():
        if path in entries:
            entries[path] = replace(entries[path], mode=int(mode, 8))
    for path, owner in data.owners.items():
        if path in entries:
            entries[path] = replace(entries[path], owner=owner)
    return replace(package, entries=tuple(sorted(entries.values())))
