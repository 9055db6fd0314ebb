"""The verb that says what images install twice: packages."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.cli.ending import say
from buildsys.cli.lock import no_lock
from buildsys.cli.locks import Locking
from buildsys.cli.options import Choice, takes_set
from buildsys.cli.output import put, put_table
from buildsys.diagnostics import Refused

if TYPE_CHECKING:
    from buildsys.lock.diff import Hoist, Own


@click.command()
@takes_set
@click.option(
    "--lock", "file", metavar="FILE", type=click.Path(path_type=Path),
    help="The lock; else SET/locks/SITE.yaml where there is one.",
)  # fmt: skip
@click.option(
    "--build-dir", "build_directory", metavar="DIR", type=click.Path(path_type=Path), default="build",
    show_default=True, help="Where everything that is made goes.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def packages(choice: Choice, file: Path | None, build_directory: Path, *, as_json: bool) -> None:
    """Say what each image installs itself, and what siblings install twice.

    From the lock; nothing is built. A line `own` an image: packages, MiB. A line `move` for packages that
    several images install: the parent that could install them once, the MiB that saves, the images, and how
    many images would have them in vain.
    """
    from buildsys.lock.diff import hoists, own
    from buildsys.lock.pool_files import lock_path

    image_set, kept = choice.made(build_directory)
    lock = Locking(file).lock(image_set, build_directory, kept)
    if lock is None:
        raise Refused([no_lock(image_set, lock_path(image_set, build_directory))])
    mine, twice = own(lock), hoists(lock)
    if as_json:
        data = {"own": [asdict(item) for item in mine], "move": [asdict(item) for item in twice]}
        put(json.dumps(data, indent=1))
        return
    put_table(("", "IMAGE", "PACKAGES", "MIB"), map(_own, mine))
    put_table(("", "TO", "SAVES MIB", "FROM", "PACKAGES", "IN VAIN"), map(_move, twice))
    whole, saved = sum(item.bytes for item in mine), sum(item.bytes for item in twice)
    say(f"{image_set.name}: {_mib(whole)} MiB are installed; {_mib(saved)} of them need not be")


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
