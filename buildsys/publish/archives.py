"""Publish to archives: one an image, docker's or OCI's, in one directory; SHA256SUMS of all of them, last."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from buildsys import files
from buildsys.publish.built_set import Item
from buildsys.publish.files import claimed, packed
from buildsys.publish.layers import Packed
from buildsys.publish.manifest import Form
from buildsys.publish.oci_layout import LAYOUT, entries, index
from buildsys.publish.task import Work

SUMS = "SHA256SUMS"


def write_archives(work: Work) -> None:
    """Bring a directory of archives up to date."""
    with claimed(work) as directory:
        _write(work, directory)


def _write(work: Work, directory: Path) -> None:
    docker = work.outcome.destination.transport == "docker-archive"
    form = Form("docker" if docker else "oci", work.wish.compression, work.wish.labels)
    images = packed(work, form)
    sums = _sums(directory)
    made = []
    for item, image in images:
        work.go_on()
        name = f"{item.name}.tar"
        # What docker loads is known by its configuration alone.
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
    # What somebody wrote into it is no archive of ours.
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
    # Layers stay packed: all that load such archives unpack them as they read.
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
    """A file of an archive, the same whenever and by whomever it is written."""
    info = tarfile.TarInfo(name)
    if isinstance(content, bytes):
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        return
    info.size = content.stat().st_size
    with content.open("rb") as file:
        archive.addfile(info, file)
