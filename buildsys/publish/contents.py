"""What an archive of an image holds: its names, and whether all that they lead to is there and right."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from buildsys.publish.manifest import Manifest, layer_ids
from buildsys.publish.oci_layout import NAME


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found in an archive."""

    names: Mapping[str, str]
    """What each name leads to: a manifest, in docker's archives a configuration."""
    blobs: int
    wrong: tuple[str, ...]


def contents(file: Path) -> Contents:
    """Read an archive whole.

    Raises:
        ValueError: it is no archive of images.
    """
    try:
        with tarfile.open(file) as archive:
            held = {
                f"sha256:{word}": _hash(archive, member) == word
                for member in archive
                if member.isfile()
                and len(word := member.name.removeprefix("blobs/sha256/").partition(".")[0]) == 64
            }
            wrong = [f"{digest} is not what it is called" for digest, right in held.items() if not right]
            if "index.json" in archive.getnames():
                rows = json.loads(_read(archive, "index.json"))["manifests"]
                names = {row["annotations"][NAME]: row["digest"] for row in rows}
                needed = dict.fromkeys(
                    digest for row in rows for digest in _needed(archive, row["digest"], held)
                )
            else:
                (row,) = json.loads(_read(archive, "manifest.json"))
                config = _digest(row["Config"])
                names = dict.fromkeys(row["RepoTags"], config)
                needed = dict.fromkeys((config, *map(_digest, row["Layers"])))
                if held.get(config):
                    wrong += _misplaced(archive, row["Layers"], layer_ids(_read(archive, row["Config"])))
    except (tarfile.TarError, OSError, EOFError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(str(error).strip('"')) from error
    wrong += [f"{digest} is not there" for digest in needed if digest not in held]
    return Contents(names, len(held), tuple(wrong))


def _needed(archive: tarfile.TarFile, digest: str, held: Mapping[str, bool]) -> Iterator[str]:
    """What a manifest's name leads to: itself, and its blobs."""
    yield digest
    if held.get(digest):
        data = _read(archive, f"blobs/sha256/{digest.removeprefix('sha256:')}")
        yield from (blob.digest for blob in Manifest("", data).blobs())


def _misplaced(archive: tarfile.TarFile, layers: list[str], ids: list[str]) -> Iterator[str]:
    """Layers whose contents are not what the configuration has in their place."""
    if len(layers) != len(ids):
        yield f"it has {len(layers)} layers, not {len(ids)}"
    present = set(archive.getnames())
    for name, wanted in zip(layers, ids, strict=False):
        if name in present:
            with gzip.open(_opened(archive, archive.getmember(name))) as unpacked:
                found = hashlib.file_digest(unpacked, "sha256").hexdigest()
            if f"sha256:{found}" != wanted:
                yield f"{_digest(name)} holds sha256:{found}, not {wanted}"


def _digest(name: str) -> str:
    """The digest by which a file of docker's archives is called."""
    return "sha256:" + name.partition(".")[0]


def _hash(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    return hashlib.file_digest(_opened(archive, member), "sha256").hexdigest()  # type: ignore[arg-type]


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    return _opened(archive, archive.getmember(name)).read()


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = archive.extractfile(member)
    if opened is None:
        raise LookupError(member.name)
    return opened
