"""Publish to an OCI layout: one per set, images share blobs, the index is written last."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from buildsys import files
from buildsys.diagnostics import Code
from buildsys.publish.attachments import files as attachment_files
from buildsys.publish.built_set import Item
from buildsys.publish.errors import PublishError
from buildsys.publish.layers import Packed
from buildsys.publish.manifest import OCI_INDEX, Blob, Form, Manifest
from buildsys.publish.task import Work

NAME = "org.opencontainers.image.ref.name"
LAYOUT = '{"imageLayoutVersion": "1.0.0"}'


def write_layout(work: Work) -> None:
    """Update an OCI layout."""
    with claimed(work) as directory:
        _write(work, directory)


def _write(work: Work, directory: Path) -> None:
    form = Form("oci", work.options.compression, work.options.labels)
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
        config = _path(blobs, image.manifest.blobs()[0])
        manifest = _path(blobs, Blob(image.manifest.digest, len(image.manifest.bytes)))
        wanted |= {config, manifest}
        work.outcome.blobs += files.update(config, image.config)
        # To a registry a manifest is not a blob: it counts as its image.
        written = files.update(manifest, image.manifest.bytes)
        work.outcome.images += written or work.outcome.blobs > known
        work.journal.note(item.name, work.entry(item, form, item.repository, image.manifest.digest))
    more = [row for item, image in images for row in _attached(work, item, image, blobs, wanted)]
    work.go_on()
    files.update(directory / "oci-layout", LAYOUT)
    rows = [row for item, image in images for row in entries(item, image, work.tags(item))]
    if files.update(directory / "index.json", index([*rows, *more])):
        work.outcome.tags = len(rows)
    # Blobs that the new index does not need.
    for path in blobs.iterdir():
        if path not in wanted:
            path.unlink()
    work.finish()


def _attached(
    work: Work, item: Item, image: Packed, blobs: Path, wanted: set[Path]
) -> Iterator[dict[str, object]]:
    """Write what is attached to an image; its rows of the index: the tags, not the artifacts."""
    attached = work.attachments(item, item.repository, image.manifest.digest)
    if attached is None:
        return
    manifests, contents = attachment_files(attached, image.manifest)
    whole = {**contents, **{Blob(item.digest, len(item.bytes)): item.bytes for item in manifests.values()}}
    written = [files.update(_path(blobs, blob), content) for blob, content in whole.items()]
    work.outcome.signed += any(written)
    wanted |= {_path(blobs, blob) for blob in whole}
    work.note_attached(item, attached.mark)
    for reference, manifest in manifests.items():
        if not reference.startswith("sha256:"):
            yield row(manifest, f"{item.repository}:{reference}")


def entries(item: Item, image: Packed, tags: tuple[str, ...]) -> list[dict[str, object]]:
    """An image's rows of an index: one per tag."""
    return [row(image.manifest, f"{item.repository}:{tag}") for tag in tags]


def row(manifest: Manifest, name: str) -> dict[str, object]:
    """A manifest's row of an index."""
    return {
        "mediaType": manifest.type,
        "digest": manifest.digest,
        "size": len(manifest.bytes),
        "annotations": {NAME: name},
    }


def index(rows: list[dict[str, object]]) -> str:
    """The index of a layout, one row per line."""
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{{"schemaVersion": 2, "mediaType": "{OCI_INDEX}", "manifests": [\n{lines}\n]}}\n'


def _path(blobs: Path, blob: Blob) -> Path:
    return blobs / blob.digest.removeprefix("sha256:")


# ── directories that hold a published set ───────────────────────────────────────────────────────────────────


MARK = ".buildsys-publish"
"""Marks a directory as ours to rewrite; holds `TRANSPORT SET`."""


@contextmanager
def claimed(work: Work) -> Iterator[Path]:
    """Claim the destination's directory for this set, and lock it.

    Raises:
        PublishError: it holds other files or another set (`foreign-directory`), or another run writes to it
            (`busy-directory`).
    """
    directory = work.outcome.destination.directory
    if directory.exists() and not directory.is_dir():
        raise _foreign(directory)
    directory.mkdir(parents=True, exist_ok=True)

    def busy() -> None:
        raise PublishError(Code.BUSY_DIRECTORY, f"another run publishes to {directory}: nothing was written")

    with files.locked(directory, busy=busy):
        _claim(work, directory)
        yield directory
        _let_all_read(directory)


@contextmanager
def readable_by_all() -> Iterator[None]:
    """Create files with modes 644 and 755 in this block: another user serves them."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _let_all_read(directory: Path) -> None:
    """Give files of earlier runs, or linked from the shelf, the same modes."""
    for place, folders, others in os.walk(directory):
        for name in (".", *folders, *others):
            path = os.path.join(place, name)  # noqa: PTH118 - a path of each file of a tree costs
            mode = os.lstat(path).st_mode
            wanted = 0o755 if stat.S_ISDIR(mode) else 0o644
            if not stat.S_ISLNK(mode) and wanted & ~mode:
                os.chmod(path, wanted)  # noqa: PTH101 - as above


def _claim(work: Work, directory: Path) -> None:
    mine = f"{work.outcome.destination.transport} {work.subject.set}\n"
    try:
        found = files.claim(directory, MARK, mine)
    except files.ForeignDirectory as error:
        raise _foreign(directory) from error
    if found != mine:
        kind, _, name = found.strip().partition(" ")
        message = f"{directory} holds {name}, published as {kind}: nothing was written"
        raise PublishError(Code.FOREIGN_DIRECTORY, message, "name another directory")
    for left in (*directory.glob(".part.*"), *directory.glob(f".*{files.ASIDE}")):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def _foreign(directory: Path) -> PublishError:
    message = f"{directory} is not empty and was not created by `buildsys publish`: nothing was written"
    return PublishError(Code.FOREIGN_DIRECTORY, message, "name a directory that is empty or missing")


def packed(work: Work, form: Form) -> list[tuple[Item, Packed]]:
    """All images in that form, parents first; notes the images that lose a health check."""
    with ThreadPoolExecutor(work.options.uploads) as pool:
        images = list(pool.map(lambda item: work.packed(item, form), work.subject.items))
    found = list(zip(work.subject.items, images, strict=True))
    work.announce(found, "OCI's format")
    return found


def is_there(path: Path, blob: Blob) -> bool:
    """Whether a file of the blob's size exists."""
    return path.is_file() and path.stat().st_size == blob.size
