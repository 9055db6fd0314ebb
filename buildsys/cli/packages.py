"""The verb that says what images install twice: packages."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.cli.options import as_json, examples, takes_build_directory, takes_lock_file, takes_set
from buildsys.cli.output import put, put_table, say
from buildsys.cli.stores import chosen_store
from buildsys.pipeline import Pipeline, no_lock

if TYPE_CHECKING:
    from buildsys.lock.diff import Hoist, Own


@click.command(epilog=examples("buildsys packages stable-pike"))
@takes_set
@takes_lock_file
@takes_build_directory
@as_json
def packages(pipeline: Pipeline, lock_file: Path | None, build_directory: Path, *, as_json: bool) -> None:
    """Say what each image installs itself, and what siblings install twice.

    From the lock; nothing is built. A line `own` an image: packages, MiB. A line `move` for packages that
    several images install: the parent that could install them once, the MiB that saves, the images, and how
    many images would have them in vain.
    """
    from buildsys.lock.diff import hoists, own

    pipeline = replace(pipeline, lock_file=lock_file, build_directory=build_directory, store=chosen_store())
    prepared = pipeline.prepare()
    lock = pipeline.lock(prepared)
    if lock is None:
        raise no_lock(prepared)
    mine, twice = own(lock), hoists(lock)
    if as_json:
        data = {"own": [asdict(item) for item in mine], "move": [asdict(item) for item in twice]}
        put(json.dumps(data, indent=1))
        return
    put_table(("", "IMAGE", "PACKAGES", "MIB"), map(_own, mine))
    put_table(("", "TO", "SAVES MIB", "FROM", "PACKAGES", "IN VAIN"), map(_move, twice))
    whole, saved = sum(item.bytes for item in mine), sum(item.bytes for item in twice)
    say(f"{lock.set}: {_mib(whole)} MiB are installed; {_mib(saved)} of them need not be")


def _own(item: Own) -> tuple[str, ...]:
    return ("own", item.image, str(item.packages), _mib(item.bytes))


def _move(item: Hoist) -> tuple[str, ...]:
    return (
        "move",
        item.to,
        _mib(item.bytes),
        " ".join(item.images),
        " ".join(item.packages),
        str(len(item.others)),
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f}"
