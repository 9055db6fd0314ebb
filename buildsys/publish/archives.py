"""Publish to archives: a file per image, docker's or OCI's, in one directory; SHA256SUMS is written last."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from buildsys import files
from buildsys.publish.built_set import Item
from buildsys.publish.layers import Packed
from buildsys.publish.manifest import Form, Manifest, layer_ids
from buildsys.publish.oci_layout import LAYOUT, NAME, claimed, entries, index, packed
from buildsys.publish.task import Work

SUMS = "SHA256SUMS"


def write_archives(work: Work) -> None:
    """Update a directory of archives."""
    with claimed(work) as directory:
        _write(work, directory)


def _write(work: Work, directory: Path) -> None:
    docker = work.outcome.destination.transport == "docker-archive"
    form = Form("docker" if docker else "oci", work.options.compression, work.options.labels)
    images = packed(work, form)
    sums = _sums(directory)
    made = []
    for item, image in images:
        work.go_on()
        name = f"{item.name}.tar"
        # docker identifies loaded images by their configuration.
        digest = image.manifest.blobs()[0].digest if docker else image.manifest.digest
        entry = work.entry(item, form, item.repository, digest)
        known = work.journal.published.get(item.name) == entry and not work.journal.doubts(item.name)
        if not (known and _is_whole(directory, name, sums)):
            part = directory / f".part.{name}"
            with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as archive:
                (_docker if docker else _oci)(archive, work, item, image, form)
            sums[name] = files.sha256(part)
            made.append(name)
        work.journal.note(item.name, entry)
    work.go_on()
    for name in made:
        (directory / f".part.{name}").replace(directory / name)
    wanted = sorted(f"{item.name}.tar" for item, _ in images)
    for gone in sums.keys() - set(wanted):
        (directory / gone).unlink(missing_ok=True)
    files.update(directory / SUMS, "".join(f"{sums[name]}  {name}\n" for name in wanted))
    work.outcome.images = len(made)
    work.finish()


def _sums(directory: Path) -> dict[str, str]:
    file = directory / SUMS
    text = file.read_text("utf-8", errors="replace") if file.is_file() else ""
    rows = (line.partition("  ") for line in text.splitlines())
    # Ignore lines that somebody else wrote.
    return {name: value for value, _, name in rows if name.endswith(".tar") and "/" not in name}


def _is_whole(directory: Path, name: str, sums: dict[str, str]) -> bool:
    return name in sums and (directory / name).is_file() and files.sha256(directory / name) == sums[name]


def _oci(archive: tarfile.TarFile, work: Work, item: Item, image: Packed, form: Form) -> None:
    _add(archive, "oci-layout", LAYOUT.encode())
    _add(archive, "index.json", index(entries(item, image, work.tags(item))).encode())
    put = set()
    for layer, blob in image.layers:
        if blob.digest not in put:
            put.add(blob.digest)
            _add(archive, _blob(blob.digest), work.shelf.file(image, layer, blob, form.compression))
    _add(archive, _blob(image.manifest.blobs()[0].digest), image.config)
    _add(archive, _blob(image.manifest.digest), image.manifest.bytes)


def _docker(archive: tarfile.TarFile, work: Work, item: Item, image: Packed, form: Form) -> None:
    config = f"{image.manifest.blobs()[0].digest.removeprefix('sha256:')}.json"
    # Layers stay compressed: every loader of such archives accepts that.
    layers = [f"{blob.digest.removeprefix('sha256:')}.tar" for _, blob in image.layers]
    names = [f"{item.repository}:{tag}" for tag in work.tags(item)]
    for name, (layer, blob) in dict(zip(layers, image.layers, strict=True)).items():
        _add(archive, name, work.shelf.file(image, layer, blob, form.compression))
    _add(archive, config, image.config)
    _add(
        archive,
        "manifest.json",
        json.dumps([{"Config": config, "RepoTags": names, "Layers": layers}]).encode(),
    )


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _add(archive: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    """Add a file; its header is the same for every user and time."""
    info = tarfile.TarInfo(name)
    if isinstance(content, bytes):
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        return
    info.size = content.stat().st_size
    with content.open("rb") as file:
        archive.addfile(info, file)


# ── reading archives back ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Contents:
    """Names, blobs and damage found in an archive."""

    names: Mapping[str, str]
    """Name -> digest of its manifest; in docker's archives, of its configuration."""
    blobs: int
    wrong: tuple[str, ...]


def contents(file: Path) -> Contents:
    """Read an archive completely.

    Raises:
        ValueError: it is not an archive of images.
    """
    try:
        with tarfile.open(file) as archive:
            held = {
                f"sha256:{word}": _hash(archive, member) == word
                for member in archive
                if member.isfile()
                and len(word := member.name.removeprefix("blobs/sha256/").partition(".")[0]) == 64
            }
            wrong = [f"{digest} has another content" for digest, right in held.items() if not right]
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
    wrong += [f"{digest} is missing" for digest in needed if digest not in held]
    return Contents(names, len(held), tuple(wrong))


def _needed(archive: tarfile.TarFile, digest: str, held: Mapping[str, bool]) -> Iterator[str]:
    """Digests that a manifest needs: its own, and those of its blobs."""
    yield digest
    if held.get(digest):
        data = _read(archive, f"blobs/sha256/{digest.removeprefix('sha256:')}")
        yield from (blob.digest for blob in Manifest("", data).blobs())


def _misplaced(archive: tarfile.TarFile, layers: list[str], ids: list[str]) -> Iterator[str]:
    """Sentences on layers that differ from those that the configuration lists."""
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
    """The digest in a file name of docker's archives."""
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
