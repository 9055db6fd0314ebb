"""Publish to a static tree that a plain web server serves as a registry, for pulling only.

`v2` is a link: the new tree is completed next to the old one, then one rename moves all tags. Files that both
trees have are hard links.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from buildsys.files import link, update
from buildsys.publish.attachments import Attachments
from buildsys.publish.attachments import files as attachment_files
from buildsys.publish.built_set import Item
from buildsys.publish.layers import Packed
from buildsys.publish.manifest import Form
from buildsys.publish.oci_layout import claimed, is_there, packed
from buildsys.publish.task import Work


def write_tree(work: Work) -> None:
    """Update a static tree."""
    with claimed(work) as directory:
        _write(work, directory)


def _write(work: Work, directory: Path) -> None:
    form = Form(work.subject.format, work.options.compression, work.options.labels)
    images = packed(work, form)
    rows = [
        (item.repository, tag, image.manifest.digest) for item, image in images for tag in work.tags(item)
    ]
    attached = {
        item.name: made
        for item, image in images
        if (made := work.attachments(item, item.repository, image.manifest.digest))
    }
    known = [rows, [made.mark for made in attached.values()]] if attached else rows
    name = ".v2-" + hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
    current = directory / "v2"
    if current.is_symlink() and current.readlink() == Path(name):
        _fill(work, images, form, directory / name, current)
        _attach(attached, images, directory / name)
    else:
        tree = directory / f".part.{name}"
        _fill(work, images, form, tree, current)
        work.outcome.signed = _attach(attached, images, tree)
        work.go_on()
        # A run killed before its rename may have left this tree.
        shutil.rmtree(directory / name, ignore_errors=True)
        tree.replace(directory / name)
        aside = directory / ".part.v2"
        aside.symlink_to(name)
        aside.replace(current)
        work.outcome.tags = len(rows)
    for old in directory.glob(".v2-*"):
        if old.name != name:
            shutil.rmtree(old)
    for item, image in images:
        work.journal.note(item.name, work.entry(item, form, item.repository, image.manifest.digest))
        if item.name in attached:
            work.note_attached(item, attached[item.name].mark)
    work.finish()


def _attach(attached: Mapping[str, Attachments], images: list[tuple[Item, Packed]], tree: Path) -> int:
    """Add what is attached to images; the number of images."""
    for item, image in images:
        if item.name not in attached:
            continue
        manifests, blobs = attachment_files(attached[item.name], image.manifest)
        place = tree / item.repository
        for blob, content in blobs.items():
            update(place / "blobs" / blob.digest, content)
        for reference, manifest in manifests.items():
            update(place / "manifests" / reference, manifest.bytes)
        types = [
            f'<Files "{name}">\nForceType {manifest.type}\n</Files>\n' for name, manifest in manifests.items()
        ]
        update(place / "manifests/.htaccess", f"ForceType {image.manifest.type}\n{''.join(types)}")
    return len(attached)


def _fill(work: Work, images: list[tuple[Item, Packed]], form: Form, tree: Path, old: Path) -> None:
    """Add the missing files to a tree; link those that the old tree has."""
    doubted = work.doubted(images)
    files: dict[str, Path] = {}
    for item, image in images:
        work.go_on()
        known, place = work.outcome.blobs, item.repository
        for blob, layer in {blob: layer for layer, blob in image.layers}.items():
            path, before = (folder / place / "blobs" / blob.digest for folder in (tree, old))
            right = blob.digest not in doubted
            if not right or not is_there(path, blob):
                source = files.get(blob.digest) or (before if right and is_there(before, blob) else None)
                link(source or work.shelf.file(image, layer, blob, form.compression), path)
                work.outcome.blobs += source is None
            files.setdefault(blob.digest, path)
        config = image.manifest.blobs()[0]
        work.outcome.blobs += not (old / place / "blobs" / config.digest).exists()
        update(tree / place / "blobs" / config.digest, image.config)
        for reference in (image.manifest.digest, *work.tags(item)):
            update(tree / place / "manifests" / reference, image.manifest.bytes)
        # Apache takes the media type of the manifests from here.
        update(tree / place / "manifests/.htaccess", f"ForceType {image.manifest.type}\n")
        update(tree / place / "tags/list", json.dumps({"name": place, "tags": sorted(work.tags(item))}))
        work.outcome.images += work.outcome.blobs > known
    # The answer to GET /v2/.
    update(tree / "index.html", "{}")
