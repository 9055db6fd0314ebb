"""Base images: the digest of a reference, and the packages of the image; nothing in it is run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from buildsys import programs, storage
from buildsys.diagnostics import Code, Diagnostic, Refused, Spot

DATABASES = ("var/lib/rpm", "usr/lib/sysimage/rpm")
"""Paths of rpm's database in the distributions."""
MARKS = ("Packages", "Packages.db", "rpmdb.sqlite")
KEYS = "etc/pki/rpm-gpg"
LOCAL = "localhost/"
"""Begins the names of images that were built on this host."""


@dataclass(frozen=True, slots=True)
class Base:
    """The parts of a base image that a lock needs."""

    digest: str
    root: Path
    """A folder with its package database and its public keys only."""

    @property
    def database(self) -> str:
        """The path of its package database; empty if it has none."""
        found = (path for path in DATABASES if any((self.root / path / mark).is_file() for mark in MARKS))
        return next(found, "")

    def file(self, path: str) -> Path | None:
        """One of its public keys, by its path in the image."""
        found = self.root / path.lstrip("/")
        return found if found.is_file() else None


def digest_of(reference: str, spot: Spot, store: str) -> str:
    """The current digest of a reference, from its registry; from the store for images built on this host.

    Raises:
        Refused: neither has it (`base-unreachable`).
    """
    if "@" in reference:
        return reference.partition("@")[2]
    if reference.startswith(LOCAL):
        command = [
            "buildah",
            *shlex.split(store),
            "inspect",
            "--type",
            "image",
            "--format",
            "{{.FromImageDigest}}",
        ]
        return _said([*command, reference], reference, spot)
    command = [*_skopeo(), "inspect", "--no-tags", "--format", "{{.Digest}}", f"docker://{reference}"]
    return _said(command, reference, spot)


def pinned(reference: str, digest: str) -> str:
    """A reference by digest: `name@sha256:…`. Tools take a tag or a digest, not both."""
    name = reference.partition("@")[0]
    last = name.rpartition("/")[2]
    return f"{name[: len(name) - len(last)]}{last.partition(':')[0]}@{digest}"


def look_at(reference: str, digest: str, spot: Spot, store: str, cache: Path) -> Base:
    """Read a base image. `cache` keeps the result by digest, so it is fetched once.

    Raises:
        Refused: it cannot be fetched (`base-unreachable`), or a layer cannot be read (`base-unreadable`).
    """
    root = cache / digest.replace(":", "-")
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=cache) as place:
            layers = Path(place, "image")
            words = (
                "--insecure-policy",
                "copy",
                "--quiet",
                _source(reference, digest, spot, store),
                f"dir:{layers}",
            )
            _said([*_skopeo(), *words], reference, spot)
            made = Path(place, "root")
            made.mkdir()
            for layer in json.loads((layers / "manifest.json").read_bytes())["layers"]:
                try:
                    with (layers / layer["digest"].partition(":")[2]).open("rb") as stream:
                        _unpack(stream, made)
                except tarfile.TarError as error:
                    why = str(error).splitlines()[0].rstrip(":")
                    message = f"a layer of the base image {reference} cannot be read: {why}"
                    hint = "its layers must be tar archives, plain or packed by gzip"
                    raise Refused([Diagnostic(spot, Code.BASE_UNREADABLE, message, hint)]) from error
            if not root.is_dir():
                made.rename(root)
    return Base(digest, root)


def _skopeo() -> list[str]:
    """skopeo, with the registries.conf and the temporary folder that buildah takes from the environment."""
    registries = os.environ.get("CONTAINERS_REGISTRIES_CONF")
    place = os.environ.get("TMPDIR")
    return [
        "skopeo",
        *(["--tmpdir", place] if place else []),
        *(["--registries-conf", registries] if registries else []),
    ]


def _source(reference: str, digest: str, spot: Spot, store: str) -> str:
    if not reference.startswith(LOCAL):
        return f"docker://{pinned(reference, digest)}"
    opened = storage.store(store)
    if opened is None:
        message = f"the base image {reference} cannot be looked at: the container store cannot be opened"
        raise Refused([Diagnostic(spot, Code.BASE_UNREACHABLE, message)])
    return opened.name(reference)


def _said(command: list[str], reference: str, spot: Spot) -> str:
    try:
        done = programs.run(command)
    except FileNotFoundError as error:
        message = f"{command[0]} is needed and is not installed"
        raise Refused([Diagnostic(spot, Code.MISSING_TOOL, message, f"install {command[0]}")]) from error
    if done.status:
        hint = "check its name, this host's network, and what the registry wants: skopeo login"
        message = f"the base image {reference} cannot be looked at: {done.complaint}"
        raise Refused([Diagnostic(spot, Code.BASE_UNREACHABLE, message, hint)])
    return done.out.strip()


# ── out of layers, the little that is wanted ───────────────────────────────────────────────────────────────


def _unpack(layer: IO[bytes], root: Path) -> None:
    """Apply a layer to `root`: regular files of the package database and the keys, and deletions."""
    with tarfile.open(fileobj=layer, mode="r:*") as archive:
        for member in _wanted(archive):
            path = root / _clean(member.name)
            name = path.name
            if name == ".wh..wh..opq":
                shutil.rmtree(path.parent, ignore_errors=True)
            elif name.startswith(".wh."):
                gone = path.with_name(name.removeprefix(".wh."))
                shutil.rmtree(gone) if gone.is_dir() else gone.unlink(missing_ok=True)
            elif member.isfile() and (source := archive.extractfile(member)) is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                with source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)


def _wanted(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    folders = [PurePosixPath(folder) for folder in (*DATABASES, KEYS)]
    below = tuple(f"{folder}/" for folder in folders)
    above = {f"{place.parent}/.wh.{place.name}" for folder in folders for place in (folder, *folder.parents)}
    for member in archive:
        name = _clean(member.name)
        if name.startswith(below) or name in above:
            yield member


def _clean(name: str) -> str:
    """A path of an archive relative to the root; empty if it leads outside."""
    parts = PurePosixPath(name).parts
    return "" if ".." in parts else "/".join(part for part in parts if part not in {"/", "."})
