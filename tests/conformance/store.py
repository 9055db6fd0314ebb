"""Reads built images: configuration by `buildah inspect`, trees by `buildah mount`, packages by rpm.

The store is only read. Working containers live in a scratch store that takes it as an additional image
store, and rpm works on copies of the package databases, so a check leaves no trace.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from . import paths
from .model import BuiltImage, Config, Deviation, Entry, Kind, OwnedFile, Package, Tree

TEMPLATE = "localhost/tripleopike/centos-binary-{name}:current-tripleo"
_DATABASES = ("/var/lib/rpm", "/usr/lib/sysimage/rpm")
_LIST = "%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SHA256HEADER}\n"
_DETAIL = (
    "\f%{NAME}\n[P\t%{PROVIDENAME}\n][R\t%{REQUIRENAME}\n]"
    "[F\t%{FILENAMES}\t%{FILEMODES:octal}\t%{FILEUSERNAME}\t%{FILEGROUPNAME}\t%{FILEDIGESTS}\n]"
)
_VERIFY = 'mount --bind "$1" "$2"; exec rpm --root "$3" --dbpath "$4" -Va'
_DEVIATION = re.compile(r"(missing|[.?SM5DLUGTP]{8,9}) +(?:[cdglr] +)?(/.*)")


@contextmanager
def opened(
    root: Path, runroot: Path, names: Sequence[str], template: str = TEMPLATE
) -> Iterator[dict[str, BuiltImage]]:
    """The images of a store, by their short names; one that is not there is left out.

    Trees are read as they are asked for, so the images are good only inside the `with`.

    Raises:
        subprocess.CalledProcessError: buildah or rpm failed; its message is in `stderr`.
        FileNotFoundError: a tool is missing.
    """
    store = ["buildah", "--root", str(root), "--runroot", str(runroot)]
    driver = json.loads(_run([*store, "info"]))["store"]["GraphDriverName"]
    listed = json.loads(_run([*store, "images", "--json"]))
    present = {name for image in listed for name in image.get("names") or ()}
    references = {name: template.format(name=name) for name in names}
    references = {name: reference for name, reference in references.items() if reference in present}
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        scratch = ["buildah", "--root", f"{folder}/root", "--runroot", f"{folder}/run"]
        scratch += ["--storage-driver", driver]
        scratch += ["--storage-opt", f"additionalimagestore={root.resolve()}"]
        try:
            data = pool.map(partial(_container, scratch), references.items())
            inspected = dict(zip(references, data, strict=True))
            if references:
                _run([*scratch, "mount", *references])
            # With one name it prints the mount point alone; asked for none it lists them all.
            mounts = dict(line.split(None, 1) for line in _run([*scratch, "mount"]).splitlines())
            reader = Reader(Path(folder))
            arguments = ((name, inspected[name], mounts[name]) for name in references)
            yield dict(zip(references, pool.map(lambda given: reader.image(*given), arguments), strict=True))
        finally:
            subprocess.run([*scratch, "rm", "--all"], capture_output=True, check=False)


def _container(scratch: list[str], image: tuple[str, str]) -> dict[str, Any]:
    name, reference = image
    _run([*scratch, "from", "--pull-never", "--name", name, reference])
    data: dict[str, Any] = json.loads(_run([*scratch, "inspect", "--type", "image", reference]))
    return data


@dataclass
class MountedTree:
    """The tree below a mount point. Only canonical paths are asked for, so no link leads out of it."""

    root: str
    _entries: dict[str, Entry | None] = field(default_factory=dict)
    _names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def entry(self, path: str) -> Entry | None:
        if path not in self._entries:
            self._entries[path] = self._read(path)
        return self._entries[path]

    def names(self, path: str) -> tuple[str, ...]:
        if path not in self._names:
            entry = self.entry(path)
            folder = entry is not None and entry.kind == "directory"
            self._names[path] = (
                tuple(sorted(entry.name for entry in os.scandir(self.root + path))) if folder else ()
            )
        return self._names[path]

    def _read(self, path: str) -> Entry | None:
        place = self.root + path
        try:
            seen = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        kind = _kind(seen.st_mode)
        target = str(Path(place).readlink()) if kind == "link" else ""
        return Entry(
            kind, stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid, target, partial(_content, place)
        )


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"


def _content(place: str) -> bytes:
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        return stream.read()


@dataclass
class Reader:
    """Reads mounted images; a package that several images share is read once."""

    folder: Path
    known: dict[str, Package] = field(default_factory=dict)

    def image(self, name: str, inspected: Mapping[str, Any], mount: str) -> BuiltImage:
        tree = MountedTree(mount)
        layers = tuple(inspected["Docker"]["rootfs"]["diff_ids"])
        config = _config(inspected["Docker"]["config"])
        database = _database(tree)
        if not database:
            return BuiltImage(name, layers, config, tree, {}, frozenset())
        copy = self.folder / "rpm" / name
        shutil.copytree(mount + database, copy, ignore=shutil.ignore_patterns(".*lock"))
        packages, keys = self._packages(copy)
        deviations, complaints = _verify(mount, database, copy)
        shutil.rmtree(copy)
        return BuiltImage(name, layers, config, tree, packages, keys, deviations, complaints)

    def _packages(self, database: Path) -> tuple[dict[str, Package], frozenset[str]]:
        rpm = ["rpm", "--dbpath", str(database)]
        rows = [line.split("\t") for line in _run([*rpm, "-qa", "--queryformat", _LIST]).splitlines()]
        # rpm 6 names a key by its whole fingerprint; those before it by the last eight digits.
        keys = frozenset(row[2].lower()[-8:] for row in rows if row[0] == "gpg-pubkey")
        installed = {"\t".join(row): row for row in rows if row[0] != "gpg-pubkey"}
        unknown = [row for key, row in installed.items() if key not in self.known]
        if unknown:
            exact = [f"{name}-{version}-{release}.{arch}" for name, _, version, release, arch, _ in unknown]
            details = _details(_run([*rpm, "-q", "--queryformat", _DETAIL, *exact]))
            for row in unknown:
                package = Package(row[0], row[1], row[2], row[3], *details[row[0]])
                self.known.setdefault("\t".join(row), package)
        return {row[0]: self.known[key] for key, row in installed.items()}, keys


Details = tuple[tuple[str, ...], tuple[str, ...], tuple[OwnedFile, ...]]


def _details(text: str) -> dict[str, Details]:
    """Requires, provides and files of packages, by name."""
    found: dict[str, Details] = {}
    for part in text.split("\f")[1:]:
        name, *lines = part.splitlines()
        marked = [line.split("\t") for line in lines]
        files = [_owned(*rest) for mark, *rest in marked if mark == "F" and rest[0] != "(none)"]
        requires, provides = ([rest[0] for mark, *rest in marked if mark == wanted] for wanted in "RP")
        found[name] = (tuple(requires), tuple(provides), tuple(files))
    return found


def _owned(path: str, mode: str, user: str, group: str, digest: str) -> OwnedFile:
    return OwnedFile(path, int(mode, 8) & 0o7777, user, group, digest.replace("(none)", ""))


def _verify(mount: str, database: str, copy: Path) -> tuple[tuple[Deviation, ...], tuple[str, ...]]:
    """`rpm -Va` of a tree, on a copy of its database: rpm writes beside a database it only reads."""
    command = ["unshare", "--mount", "--", "sh", "-ec", _VERIFY, "sh"]
    command += [str(copy), mount + database, mount, database]
    env = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    deviations: list[Deviation] = []
    complaints = [line for line in done.stderr.splitlines() if line.strip()]
    for line in done.stdout.splitlines():
        if match := _DEVIATION.fullmatch(line):
            deviations.append(Deviation(match[2], match[1].replace(".", "")))
        else:
            complaints.append(line)
    return tuple(deviations), tuple(complaints)


def _database(tree: Tree) -> str:
    """The canonical path of the package database, empty when the image has none."""
    for path in _DATABASES:
        place = paths.canonical(tree, path, follow=True)
        if {"rpmdb.sqlite", "Packages", "Packages.db"} & set(tree.names(place)):
            return place
    return ""


def _config(data: Mapping[str, Any]) -> Config:
    return Config(
        user=data.get("User") or "",
        cmd=tuple(data.get("Cmd") or ()),
        entrypoint=tuple(data.get("Entrypoint") or ()),
        env=dict(item.split("=", 1) for item in data.get("Env") or ()),
        labels=data.get("Labels") or {},
        healthcheck=tuple((data.get("Healthcheck") or {}).get("Test") or ()),
        stop_signal=data.get("StopSignal") or "",
        volumes=tuple(data.get("Volumes") or ()),
    )


def _run(command: Sequence[str]) -> str:
    env = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, check=True, text=True, env=env).stdout
