"""The verb that asks repositories what they hold: lock."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys import disk
from buildsys.cli.options import (
    as_json,
    examples,
    takes_build_directory,
    takes_pool,
    takes_selection,
    takes_set,
)
from buildsys.cli.output import FAILED, REFUSED, Ended, put, put_table, say, warn_of_absent
from buildsys.cli.stores import takes_store
from buildsys.diagnostics import counted
from buildsys.pipeline import Pipeline, no_lock, sizes
from buildsys.search_path import is_shipped
from buildsys.selection import EVERY, Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildsys.image import ImageSet
    from buildsys.lock.diff import Move, Split


@click.command(epilog=examples("buildsys lock stable-pike", "buildsys lock stable-pike nova-api --update"))
@takes_set
@takes_selection(parents=False)
@click.option("--update", is_flag=True, help="Take the newest packages: for IMAGE only, else for all images.")
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit 1 when --update would move something."
)
@click.option("--fetch", "also_fetch", is_flag=True, help="Fetch into the pool what the lock names.")
@click.option(
    "-o", "--output", "file", metavar="FILE", type=click.Path(path_type=Path),
    help="The lock; else SET/locks/SITE.yaml.",
)  # fmt: skip
@takes_build_directory
@takes_pool
@takes_store
@as_json
def lock(
    pipeline: Pipeline,
    selection: Selection,
    file: Path | None,
    build_directory: Path,
    pool: Path | None,
    *,
    update: bool,
    only_check: bool,
    also_fetch: bool,
    store: str,
    as_json: bool,
) -> None:
    """Write down the exact packages of every image, as the repositories have them now.

    Where there is a lock already, only what the recipes newly ask for is added to it; with --update packages
    move to the newest. A line for each that moved: image, package, old and new version. IMAGE is a name, a
    glob in quotes ('neutron-*') or a profile (@compute).
    """
    disk.writes(build_directory, *(item for item in (file, pool) if item))
    from buildsys.lock.check import require_answer
    from buildsys.lock.diff import splits

    pipeline = replace(pipeline, lock_file=file, build_directory=build_directory, pool=pool, store=store)
    prepared = pipeline.prepare()
    image_set, path = prepared.image_set, prepared.lock
    if not (only_check or file or prepared.is_automatic) and is_shipped(pipeline.directory, os.environ):
        message = (
            f"{path} is not written: the set {pipeline.name} was installed, and updates replace its folder"
        )
        raise Ended(REFUSED, f"{message}\n  hint: write -o {path.name}, and build with --lock {path.name}")
    warn_of_absent(EVERY, image_set)
    names = _names(image_set, selection, update=update or only_check)
    old = pipeline.last_lock(prepared)
    if old is None and (only_check or names is not None):
        raise no_lock(prepared)
    if only_check and old is not None and not prepared.is_automatic:
        require_answer(image_set, old, "the lock")
    moving = names if update or only_check else frozenset()
    made = pipeline.new_lock(prepared, moving, look_first=only_check)
    moved = made.moves()
    _show(moved, () if only_check else splits(made.new), as_json=as_json)
    for name, reason in sorted(made.new.absent.items()):
        say(f"note: {name} cannot be built at the site {image_set.site.name}: {reason}")
    if only_check:
        if moved:
            raise Ended(FAILED, f"{counted(len(moved), 'thing')} moved since {path} was made")
        say(f"{path}: nothing moved")
        return
    made.write()
    say(
        f"{path}: nothing changed"
        if made.new == made.old
        else f"{path}: {sizes(made.new)}, {len(moved)} moved"
    )
    used = pipeline.default_lock(prepared)
    if path.absolute() != used.absolute():
        instead = str(used) if used.exists() or used == prepared.automatic else "no lock"
        say(f"note: builds take {instead} unless they are called with --lock {path}")
    if also_fetch and not prepared.is_automatic:
        pipeline.fetch(prepared, made.new)


def _names(image_set: ImageSet, selection: Selection, *, update: bool) -> frozenset[str] | None:
    """The selected images; None: all are."""
    if not selection.patterns:
        return None
    if not update:
        raise Ended(REFUSED, "images are named with --update or --check: a lock is always of the whole set")
    return frozenset(selection.names(image_set))


def _new(move: Move) -> str:
    return f"{move.new}, rebuilt" if move.old == move.new else move.new or "-"


def _show(moved: Sequence[Move], split: Sequence[Split], *, as_json: bool) -> None:
    if as_json:
        data = {"moved": [asdict(move) for move in moved], "split": [asdict(item) for item in split]}
        put(json.dumps(data, indent=1))
    elif moved:
        rows = [(move.image, move.name, move.old or "-", "->", _new(move)) for move in moved]
        put_table(("IMAGE", "PACKAGE", "OLD", "", "NEW"), rows)
    for item in split:
        ends = "; ".join(f"{version} in {', '.join(images)}" for version, images in item.versions)
        say(f"warning: {item.source} ends at {len(item.versions)} versions: {ends}")
