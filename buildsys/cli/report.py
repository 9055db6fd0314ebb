"""The verb that writes a report of an image set: report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys import disk
from buildsys.cli.options import examples, takes_build_directory, takes_lock_file, takes_set
from buildsys.cli.output import say
from buildsys.cli.stores import takes_store
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, counted
from buildsys.pipeline import Pipeline

if TYPE_CHECKING:
    from buildsys.image import ImageSet
    from buildsys.storage import Stored


@click.command(
    epilog=examples(
        "buildsys report stable-pike", "buildsys report stable-zed --plan build/zed -o /srv/www/zed.html"
    )
)
@takes_set
@takes_lock_file
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="The report; else SET.html below the build directory.",
)  # fmt: skip
@click.option(
    "--plan", "directory", metavar="DIR", type=click.Path(path_type=Path),
    help="The plan's directory; else SET below the build directory.",
)  # fmt: skip
@takes_build_directory
@takes_store
def report(
    pipeline: Pipeline,
    lock_file: Path | None,
    output: Path | None,
    directory: Path | None,
    build_directory: Path,
    *,
    store: str,
) -> None:
    """Write a report of an image set as one HTML file.

    The graph, the last run, sizes and shared layers, packages, tests, and each image by itself. The file
    loads nothing and needs no network. Nothing is built: what was never built or locked is left open.
    """
    from concurrent.futures import ThreadPoolExecutor

    from buildsys import storage
    from buildsys.files import write
    from buildsys.plan.read import exists
    from buildsys.report import facts, page

    output = output or build_directory / f"{pipeline.name}.html"
    disk.writes(output.parent)
    pipeline = replace(pipeline, lock_file=lock_file, build_directory=build_directory, store=store)
    if directory and not exists(directory):
        hint = "leave --plan out for a report without results"
        raise Refused([Diagnostic(NOWHERE, Code.NO_PLAN, f"{directory} holds no plan", hint)])
    directory = directory or build_directory / pipeline.name
    with ThreadPoolExecutor(1) as pool:
        # podman takes as long as everything else.
        stored = pool.submit(storage.stored, store, facts.ids(directory).values())
        image_set = pipeline.resolve()
        lock = pipeline.present_lock(image_set)
        found = facts.collect(image_set, directory, lock, _with_bases(stored.result(), image_set, store))
    write(output, page.report(found))
    say(f"{output}: {counted(len(found.images), 'image')}")


def _with_bases(
    stored: dict[str, Stored] | None, image_set: ImageSet, store: str
) -> dict[str, Stored] | None:
    """The stored images, and those that the set's images are made from and that were built elsewhere."""
    from buildsys import storage
    from buildsys.report.facts import bases

    names = bases(image_set)
    return stored | (storage.stored(store, names) or {}) if stored and names else stored
