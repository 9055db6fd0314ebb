"""The verb that asks repositories what they hold: lock."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys import disk
from buildsys.cli.counting import counted
from buildsys.cli.ending import FAILED, REFUSED, Ended, say
from buildsys.cli.locks import Locking, takes_pool
from buildsys.cli.options import EVERY, Choice, Selection, takes_selection, takes_set
from buildsys.cli.output import put, put_table
from buildsys.cli.stores import takes_store
from buildsys.diagnostics import Code, Diagnostic, Refused, Spot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildsys.image import ImageSet
    from buildsys.lock.diff import Move, Split
    from buildsys.lock.lockfile import Lock
    from buildsys.lock.pool_files import Places


@click.command()
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
@click.option(
    "--build-dir", "build_directory", metavar="DIR", type=click.Path(path_type=Path), default="build",
    show_default=True, help="Where everything that is made goes.",
)  # fmt: skip
@takes_pool
@takes_store
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def lock(
    choice: Choice,
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
    from buildsys.lock.diff import moves, splits
    from buildsys.lock.lockfile import write
    from buildsys.lock.make import Wish, make_lock, still_good
    from buildsys.lock.pool_files import used_lock

    image_set, kept = choice.made(build_directory)
    EVERY.tell_absent(image_set)
    names = _names(image_set, selection, update=update or only_check)
    path = file or used_lock(image_set, build_directory, kept)
    keeps_itself = path == kept
    old = _old(image_set, path, keeps_itself=keeps_itself)
    if old is None and (only_check or names is not None):
        raise Refused([no_lock(image_set, path)])
    places = Locking(pool=pool).places(build_directory)
    if keeps_itself:
        new = still_good(image_set, path) or make_lock(image_set, places, Wish(), store=store)
    else:
        new = _answer(image_set, old, places, names, update=update, only_check=only_check, store=store)
    moved = moves(old, new)
    _show(moved, () if only_check else splits(new), as_json=as_json)
    for name, reason in sorted(new.absent.items()):
        say(f"note: {name} cannot be built at the site {image_set.site.name}: {reason}")
    if only_check:
        if moved:
            raise Ended(FAILED, f"{counted(len(moved), 'thing')} moved since {path} was made")
        say(f"{path}: nothing moved")
        return
    if new == old:
        say(f"{path}: nothing changed")
    else:
        write(new, path)
        packages = counted(len(new.packages()), "package")
        say(f"{path}: {counted(len(new.images), 'image')}, {packages}, {len(moved)} moved")
    used = used_lock(image_set, build_directory, kept)
    if path.absolute() != used.absolute():
        instead = str(used) if used.exists() or used == kept else "no lock"
        say(f"note: builds take {instead} unless they are called with --lock {path}")
    if also_fetch and not keeps_itself:
        from buildsys.lock.pool import fill

        fill(image_set, new, places, store=store, say=say)


def no_lock(image_set: ImageSet, path: Path) -> Diagnostic:
    """What to say when there is no lock where one is needed."""
    command = f"buildsys lock {image_set.name} --site {image_set.site.name}"
    return Diagnostic(Spot(str(path)), Code.NO_LOCK, "there is no lock yet", f"`{command}` makes it")


def _names(image_set: ImageSet, selection: Selection, *, update: bool) -> frozenset[str] | None:
    """The images that are named; None: none is, all are meant."""
    if not selection.patterns:
        return None
    if not update:
        raise Ended(REFUSED, "images are named with --update or --check: a lock is always of the whole set")
    return frozenset(selection.names(image_set))


def _old(image_set: ImageSet, path: Path, *, keeps_itself: bool) -> Lock | None:
    """The lock so far; of one that keeps itself what can be read, also when it no longer holds."""
    from buildsys.lock.lockfile import read
    from buildsys.lock.make import last

    if keeps_itself:
        return last(image_set, path)
    return read(path, image_set=image_set.name, site=image_set.site.name) if path.exists() else None


def _answer(
    image_set: ImageSet,
    old: Lock | None,
    places: Places,
    names: frozenset[str] | None,
    *,
    update: bool,
    only_check: bool,
    store: str,
) -> Lock:
    from buildsys.lock.check import require_answer
    from buildsys.lock.make import Wish, make_lock, unmoved

    if only_check and old is not None:
        require_answer(image_set, old, "the lock")
        if unmoved(image_set, old, places, store=store):
            return old
    moving = names if update or only_check else frozenset()
    return make_lock(image_set, places, Wish(old, moving), store=store)


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
