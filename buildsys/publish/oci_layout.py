"""Publish to an OCI layout: one for the set, whose images share blobs. Its index names them, last."""

from __future__ import annotations

import json
from pathlib import Path

from buildsys import files
from buildsys.publish.built_set import Item
from buildsys.publish.files import claimed, is_there, packed
from buildsys.publish.layers import Packed
from buildsys.publish.manifest import OCI_INDEX, Blob, Form
from buildsys.publish.task import Work

NAME = "org.opencontainers.image.ref.name"
LAYOUT = '{"imageLayoutVersion": "1.0.0"}'


def write_layout(work: Work) -> None:
    """Bring an OCI layout up to date."""
    with claimed(work) as directory:
        _write(work, directory)


def _write(work: Work, directory: Path) -> None:
    form = Form("oci", work.wish.compression, work.wish.labels)
    images = packed(work, form)
    doubted = work.doubted(images)
    blobs = directory / "blobs/sha256"
    wanted = set()
    for item, image in images:
        work.go_on()
        known = work.outcome.blobs
        for layer, blob in image.layers:
            path = _path(blobs, blob)
            wanted.add(path)
            if blob.digest in doubted or not is_there(path, blob):
                files.link(work.shelf.file(image, layer, blob, form.compression), path)
                work.outcome.blobs += 1
                doubted.discard(blob.digest)
        manifest = Blob(image.manifest.digest, len(image.manifest.bytes))
        for blob, data in ((image.manifest.blobs()[0], image.config), (manifest, image.manifest.bytes)):
            path = _path(blobs, blob)
            wanted.add(path)
            work.outcome.blobs += files.update(path, data)
        work.outcome.images += work.outcome.blobs > known
        work.journal.note(item.name, work.entry(item, form, item.repository, image.manifest.digest))
    work.go_on()
    files.update(directory / "oci-layout", LAYOUT)
    rows = [row for item, image in images for row in entries(item, image, work.tags(item))]
    if files.update(directory / "index.json", index(rows)):
        work.outcome.tags = len(rows)
    # What no image of the index needs any more; who reads the old index has read it.
    for path in blobs.iterdir():
        if path not in wanted:
            path.unlink()
    work.finish()


def entries(item: Item, image: Packed, tags: tuple[str, ...]) -> list[dict[str, object]]:
    """An image's rows of an index: one for each of its tags."""
    manifest = image.manifest
    return [
        {
            "mediaType": manifest.type,
            "digest": manifest.digest,
            "size": len(manifest.bytes),
            "annotations": {NAME: f"{item.repository}:{tag}"},
        }
        for tag in tags
    ]


def index(rows: list[dict[str, object]]) -> str:
    """The index of a layout, a line an image."""
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{{"schemaVersion": 2, "mediaType": "{OCI_INDEX}", "manifests": [\n{lines}\n]}}\n'


def _path(blobs: Path, blob: Blob) -> Path:
    return blobs / blob.digest.removeprefix("sha256:")
