"""Verbs that compare two plans or two images: diff, compare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.cli.options import as_json, examples
from buildsys.cli.output import FAILED, Ended, put, put_table, say
from buildsys.cli.stores import takes_store

if TYPE_CHECKING:
    from buildsys.packages.change import PackageChange
    from buildsys.plan.diff import ImageChange, PlanChange

Row = tuple[str, ...]


@click.command(
    epilog=examples(
        "buildsys diff /srv/plan build/stable-pike",
        "buildsys diff --packages localhost/example/web:1 localhost/example/web:2",
    )
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--packages", "of_images", is_flag=True, help="A and B are images: compare their packages.")
@takes_store
@as_json
def diff(a: str, b: str, *, of_images: bool, store: str, as_json: bool) -> None:
    """Show what changed from plan A to plan B, or which packages from image A to B.

    A and B are directories of plans. A line a change: images that are new, gone or changed, and of these
    what they depend on: parent, inputs, packages. Nothing is built or run. Exit status 1 when there is a
    difference.
    """
    differ = _packages(a, b, store, as_json=as_json) if of_images else _plans(a, b, as_json=as_json)
    if differ:
        raise Ended(FAILED)


def _plans(a: str, b: str, *, as_json: bool) -> bool:
    from buildsys.plan.diff import plan_change, read_plan

    change = plan_change(read_plan(Path(a)), read_plan(Path(b)))
    if as_json:
        put(json.dumps(asdict(change), indent=1))
    else:
        put_table(("", "IMAGE", "WHAT", "BEFORE", "AFTER"), _rows(change))
    return bool(change)


def _rows(change: PlanChange) -> Iterator[Row]:
    yield from (("added", name, "", "", "") for name in change.added)
    yield from (("removed", name, "", "", "") for name in change.removed)
    yield from (("changed", "(all)", "input", *map(_cell, pair)) for pair in change.everywhere)
    for image in change.changed:
        yield from (("changed", image.image, *row) for row in _image_rows(image))


def _image_rows(change: ImageChange) -> Iterator[Row]:
    if change.parents:
        yield ("parent", *change.parents)
    for package in change.packages:
        yield (f"package {package.name}.{package.arch}", package.old, _new(package))
    yield from (("input", *map(_cell, pair)) for pair in change.inputs)


def _cell(text: str) -> str:
    """A text that parts no cells and moves no cursor: names of files may hold anything."""
    known = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in known)


def _packages(a: str, b: str, store: str, *, as_json: bool) -> bool:
    from buildsys.inspect_image.package_database import installed
    from buildsys.inspect_image.stored_image import opened
    from buildsys.packages.change import package_changes

    with opened([a, b], store) as images:
        old, new = map(installed, images)
    changes = list(package_changes(old, new))
    if as_json:
        put(json.dumps([asdict(change) for change in changes], indent=1))
    else:
        rows = ((_kind(item), f"{item.name}.{item.arch}", item.old, _new(item)) for item in changes)
        put_table(("", "PACKAGE", "BEFORE", "AFTER"), rows)
    return bool(changes)


def _kind(change: PackageChange) -> str:
    return "changed" if change.old and change.new else "added" if change.new else "removed"


def _new(change: PackageChange) -> str:
    return f"{change.new}, rebuilt" if change.old == change.new else change.new


@click.command(
    epilog=examples("buildsys compare localhost/example/web:1 docker://registry.example.org/web:1")
)
@click.argument("a", metavar="IMAGE_A")
@click.argument("b", metavar="IMAGE_B")
@takes_store
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=0), default=20, show_default=True,
    help="Name the first N differences; 0: all of them.",
)  # fmt: skip
@as_json
def compare(a: str, b: str, *, store: str, limit: int, as_json: bool) -> None:
    """Name what differs between two images: exit status 0 if nothing does, else 1.

    A line a difference: where, path, what, in A, in B. First the configuration, then the layers from the
    lowest, file by file: kind, content, mode, owner, time, target, attributes. An image is a name or an id
    of the container store, or TRANSPORT:NAME as skopeo takes it. Nothing is run.
    """
    from buildsys.inspect_image.diff import differences
    from buildsys.inspect_image.stored_image import opened

    with opened([a, b], store) as images:
        found = differences(*images)
        shown = list(islice(found, limit or None))
        more = next(found, None) is not None
        ids = [image.id for image in images]
    if as_json:
        put(json.dumps([asdict(difference) for difference in shown], indent=1))
    else:
        rows = (tuple(map(_cell, (item.where, item.path, item.what, item.a, item.b))) for item in shown)
        put_table(("WHERE", "PATH", "WHAT", "IN A", "IN B"), rows)
    if not shown:
        say(f"equal: both are {ids[0]}")
        return
    if more:
        say("there is more: --limit 0 names all")
    raise Ended(FAILED)
