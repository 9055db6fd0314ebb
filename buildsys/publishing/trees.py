"""Publish to a static tree that a plain web server serves as a registry, for pulling only.

`v2` is a link: the tree it leads to is made beside it, whole, and then one rename moves all tags. What both
trees have is stored once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from buildsys.publishing.files import claim, link, packed, put_blob
from buildsys.publishing.manifests import Blob, Form
from buildsys.publishing.shelf import Packed
from buildsys.publishing.subject import Item
from buildsys.publishing.work import Work


def write_tree(work: Work) -> None:
    """Bring a static tree up to date."""
    directory = claim(work)
    form = Form(work.subject.format, work.wish.compression, work.wish.labels)
    images = packed(work, form)
    rows = [
        (item.repository, tag, image.manifest.digest) for item, image in images for tag in work.tags(item)
    ]
    name = ".v2-" + hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
    current = directory / "v2"
    if not (current.is_symlink() and current.readlink() == Path(name)):
        _make(work, images, form, directory, name)
        work.go_on()
        aside = directory / ".part.v2"
        aside.symlink_to(name)
        aside.replace(current)
        work.outcome.tags = len(rows)
    for old in directory.glob(".v2-*"):
        if old.name != name:
            shutil.rmtree(old)
    for item, image in images:
        work.journal.note(item.name, work.entry(item, form, item.repository, image.manifest.digest))
    work.journal.finish(work.subject.names, work.wish.tags)


def _make(work: Work, images: list[tuple[Item, Packed]], form: Form, directory: Path, name: str) -> None:
    tree, old = directory / f".part.{name}", directory / "v2"
    files: dict[str, Path] = {}
    for item, image in images:
        work.go_on()
        known, place = work.outcome.blobs, item.repository
        for layer, blob in image.layers:
            path = tree / place / "blobs" / blob.digest
            before = files.get(blob.digest) or old / place / "blobs" / blob.digest
            if before.is_file() and before.stat().st_size == blob.size:
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.exists():
                    link(before, path)
            else:
                work.outcome.blobs += put_blob(
                    path, blob, work.shelf.file(image, layer, blob, form.compression)
                )
            files.setdefault(blob.digest, path)
        config = image.manifest.blobs()[0]
        put_blob(tree / place / "blobs" / config.digest, config, image.config)
        work.outcome.blobs += not (old / place / "blobs" / config.digest).exists()
        manifest = Blob(image.manifest.digest, len(image.manifest.bytes))
        for reference in (manifest.digest, *work.tags(item)):
            put_blob(tree / place / "manifests" / reference, manifest, image.manifest.bytes)
        tags = {"name": place, "tags": sorted(work.tags(item))}
        (tree / place / "tags").mkdir(exist_ok=True)
        (tree / place / "tags/list").write_text(json.dumps(tags), "utf-8")
        work.outcome.images += work.outcome.blobs > known
    # What is answered to who asks whether this is a registry.
    (tree / "index.html").write_text("{}", "utf-8")
    # One type for all manifests of a set; Apache takes it from here.
    for folder in tree.rglob("manifests"):
        (folder / ".htaccess").write_text(f"ForceType {images[0][1].manifest.type}\n", "utf-8")
    # A run that was killed before its link may have left one that nothing leads to.
    shutil.rmtree(directory / name, ignore_errors=True)
    tree.replace(directory / name)
