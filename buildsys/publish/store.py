"""Publish to another container store: all images first, under temporary names; then their own names."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from buildsys import programs, storage
from buildsys.diagnostics import Code
from buildsys.publish.built_set import Item
from buildsys.publish.destination import Destination
from buildsys.publish.errors import PublishError
from buildsys.publish.manifest import Form, configuration, digest
from buildsys.publish.task import Work


def options_of(destination: Destination) -> str:
    """buildah's options that choose the destination's store."""
    driver, root, run = destination.store()
    return f"--root {shlex.quote(root)} --runroot {shlex.quote(run)} --storage-driver {driver}"


def name_of(item: Item, tag: str) -> str:
    """The name of an image in a container store."""
    return f"localhost/{item.repository}:{tag}"


def fill_store(work: Work) -> None:
    """Update a container store.

    Raises:
        PublishError: it cannot be written (`store-refuses`).
    """
    options = options_of(work.outcome.destination)
    form = Form(work.subject.format, work.options.compression, work.options.labels)
    try:
        known = storage.image_ids(options)
        there = set(known.values())
        with ThreadPoolExecutor(work.options.uploads) as pool:
            ids = list(pool.map(lambda item: _bring(work, item, form, there), work.subject.items))
        for item, identity in zip(work.subject.items, ids, strict=True):
            work.journal.note(item.name, work.entry(item, form, item.repository, f"sha256:{identity}"))
        work.go_on()
        for item, identity in zip(work.subject.items, ids, strict=True):
            names = [name_of(item, tag) for tag in work.tags(item)]
            new = [name for name in names if known.get(name) != identity]
            if new:
                storage.name_image(options, identity, new)
            work.outcome.tags += len(new)
        plain = {
            item.id for item, identity in zip(work.subject.items, ids, strict=True) if identity != item.id
        }
        left = {
            name
            for name in storage.image_ids(options)
            if name.startswith(_asides(work)) or name in plain - there
        }
        if left:
            storage.remove_names(options, sorted(left))
    except programs.ToolFailed as failed:
        raise PublishError(Code.STORE_REFUSES, f"{work.outcome.destination}: {failed}") from failed
    work.finish()


def _asides(work: Work) -> str:
    """Prefix of temporary names; a killed run leaves some."""
    return f"localhost/buildsys-publish/{work.subject.set}/"


def _bring(work: Work, item: Item, form: Form, there: Collection[str]) -> str:
    """Ensure that the store has an image; its id there."""
    work.go_on()
    config = configuration(work.shelf.config(item.id), form)
    identity = digest(config).removeprefix("sha256:")
    if identity in there:
        return identity
    to = f"containers-storage:{work.outcome.destination.place}{_asides(work)}{item.name}:{item.id[:12]}"
    if item.id not in there:
        storage.copy_image_to(work.shelf.reference(item.id), to)
    if identity != item.id:
        # Its layers are there now: copy only the new configuration.
        manifest = json.loads(storage.image_manifest(work.shelf.reference(item.id)))
        manifest["config"] |= {"digest": digest(config), "size": len(config)}
        with TemporaryDirectory(dir=work.shelf.directory, prefix="export.") as folder:
            Path(folder, identity).write_bytes(config)
            Path(folder, "manifest.json").write_text(json.dumps(manifest), "utf-8")
            Path(folder, "version").write_text("Directory Transport Version: 1.1\n", "utf-8")
            storage.copy_image_to(f"dir:{folder}", to)
    work.outcome.images += 1
    return identity
