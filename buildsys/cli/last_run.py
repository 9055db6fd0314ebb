"""Verbs that show what the last run of a plan did: log, status."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.cli.options import as_json, examples, takes_build_directory, takes_plan_directory
from buildsys.cli.output import FAILED, MISSING, Ended, put, put_table, say
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest, counted

if TYPE_CHECKING:
    from buildsys.run.record import LastRun

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal would act on."""
PAUSE = 0.2
"""Seconds between two looks at a log that grows."""
STATES = ("built", "fresh", "failed", "blocked", "running", "waiting", "stopped")
QUIET = frozenset({"fresh", "waiting", "stopped"})
"""States that are counted, without a line for each image."""


@click.command(
    epilog=examples(
        "buildsys log stable-pike nova-api",
        "buildsys log stable-pike --failed --open",
        "buildsys log stable-pike nova-api --follow",
    )
)
@click.argument("name", metavar="SET")
@click.argument("images", metavar="[IMAGE]...", nargs=-1)
@takes_plan_directory
@takes_build_directory
@click.option("--failed", "only_failed", is_flag=True, help="The logs of all images that failed.")
@click.option("-f", "--follow", is_flag=True, help="Print what is added, until the image has ended.")
@click.option("--open", "in_pager", is_flag=True, help="Open it in $PAGER, or in less.")
def log(
    name: str,
    images: tuple[str, ...],
    directory: Path | None,
    build_directory: Path,
    *,
    only_failed: bool,
    follow: bool,
    in_pager: bool,
) -> None:
    """Print the log of an image's last build.

    Without IMAGE: a line for each log, with the image's last state and seconds, the log's time and bytes.
    """
    from buildsys.plan import read
    from buildsys.run.record import last_run

    directory = _plan(name, directory, build_directory)
    if only_failed:
        run = last_run(directory)
        images += tuple(end.image for end in run.ends if end.state == "failed") if run else ()
        if not images:
            say(f"{directory}: no image failed in the last run")
            return
    if follow and len(images) != 1:
        raise click.UsageError("--follow takes one IMAGE")
    if not images:
        _list(directory)
        return
    known = read.names(directory)
    paths = []
    for image in images:
        path = read.log_path(directory, image)
        if image not in known:
            hint = closest(image, known)
            raise Ended(FAILED, f"{directory} has no image '{image}'" + (f"; {hint}" if hint else ""))
        if not follow and not path.is_file():
            raise Ended(FAILED, f"{image} has no log: it was not built here")
        paths.append(path)
    if in_pager:
        _open(paths)
    if follow:
        _follow(directory, images[0], paths[0])
        return
    for image, path in zip(images, paths, strict=True):
        if len(images) > 1:
            put(f"==> {image} <==")
        _print(path.read_bytes())


@click.command(epilog=examples("buildsys status stable-pike", "buildsys status stable-pike --json"))
@click.argument("name", metavar="SET")
@takes_plan_directory
@takes_build_directory
@as_json
def status(name: str, directory: Path | None, build_directory: Path, *, as_json: bool) -> None:
    """Show the last run: when, how it ended, and what became of images.

    A line for each image that was built, failed, is blocked or is in progress: name, state, seconds, and the
    reason or the place of the failure. The images that were fresh are counted.
    """
    from buildsys.run.record import last_run

    directory = _plan(name, directory, build_directory)
    run = last_run(directory)
    if run is None:
        raise Ended(FAILED, f"{directory} has no record of a run: nothing was built here yet")
    if as_json:
        data = {"version": 1, **asdict(run), "counts": {state: run.count(state) for state in STATES}}
        put(json.dumps(data, indent=1))
        return
    for sentence in _sentences(run, directory):
        say(sentence)
    put_table(("IMAGE", "STATE", "SECONDS", "WHY"), _rows(run))


def _plan(name: str, directory: Path | None, build_directory: Path) -> Path:
    from buildsys.plan import read

    directory = directory or build_directory / Path(name).absolute().name
    if not read.exists(directory):
        hint = f"`buildsys build {name}` writes one and runs it"
        raise Refused([Diagnostic(NOWHERE, Code.NO_PLAN, f"{directory} holds no plan", hint)])
    return directory


def _sentences(run: LastRun, directory: Path) -> Iterator[str]:
    from buildsys.run.record import holder

    began = _moment(run.began)
    if run.is_going_on:
        yield f"{run.set}: a run goes on since {began}: {holder(directory) or 'it ends'}"
    elif run.ended is None:
        yield f"{run.set}: the last run began {began} and was killed"
    else:
        took = run.ended - run.began
        known = {0: "succeeded", 130: "was interrupted"}
        how = known.get(run.status or 0, f"failed with status {run.status}")
        yield f"{run.set}: the last run began {began}, took {took:.1f} s and {how}"
    if run.images:
        counts = ", ".join(f"{count} {state}" for state in STATES if (count := run.count(state)))
        yield f"{counted(run.images, 'image')}: {counts}"


def _rows(run: LastRun) -> Iterator[tuple[str, ...]]:
    first = {"failed": 0, "blocked": 1, "running": 2}
    for end in sorted(run.ends, key=lambda end: first.get(end.state, 3)):
        if end.state not in QUIET:
            why = f"by {end.reason}" if end.state == "blocked" and end.reason else end.at or end.reason
            yield end.image, end.state, "" if end.seconds is None else f"{end.seconds:.1f}", why


def _list(directory: Path) -> None:
    """A line for each log: image, what became of it, seconds, when it ended, bytes."""
    from buildsys.plan import read

    rows = []
    for image in read.names(directory):
        path = read.log_path(directory, image)
        if path.is_file():
            there, result = path.stat(), read.result(directory, image)
            state, seconds = (str(result.get(key, "")) for key in ("status", "seconds"))
            rows.append((image, state, seconds, _moment(there.st_mtime), str(there.st_size)))
    if not rows:
        raise Ended(FAILED, f"{directory} has no log: nothing was built here yet")
    put_table(("IMAGE", "STATE", "SECONDS", "WHEN", "BYTES"), rows)


def _follow(directory: Path, image: str, path: Path) -> None:
    """Print a log while its image is built."""
    from buildsys.run.record import last_run

    place, offset = 0, 0
    while True:
        # Asked before reading: what is written later is read in the next round.
        run = last_run(directory)
        goes_on = run is not None and run.is_going_on
        state = next((end.state for end in run.ends if end.image == image), "") if run else ""
        if path.is_file() and state != "waiting":
            with path.open("rb") as file:
                there = os.fstat(file.fileno())
                if there.st_ino != place or there.st_size < offset:
                    place, offset = there.st_ino, 0
                file.seek(offset)
                new = file.read()
            offset += len(new)
            _print(new)
        if not goes_on or state not in {"running", "waiting", ""}:
            return
        time.sleep(PAUSE)


def _print(text: bytes) -> None:
    if sys.stdout.isatty():
        click.echo(ESCAPES.sub("", text.decode("utf-8", "replace")), nl=False)
    else:
        click.echo(text, nl=False)
    sys.stdout.flush()


def _open(paths: Sequence[Path]) -> None:
    """Become the pager."""
    words = shlex.split(os.environ.get("PAGER", "")) or ["less"]
    if not shutil.which(words[0]):
        raise Ended(MISSING, f"{words[0]} is not installed; set PAGER to a program that shows files")
    sys.stdout.flush()
    os.execvp(words[0], [*words, *map(str, paths)])  # noqa: S606 - no shell reads it


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
