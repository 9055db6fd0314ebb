"""The verb for a timer: periodic."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.cli import report
from buildsys.cli.building import planned, takes_plan
from buildsys.cli.choosing import EVERY, Choice, takes_set
from buildsys.cli.ending import CHANGED, FAILED, INTERRUPTED, Ended, say, status_of
from buildsys.cli.locks import Locking
from buildsys.cli.stores import takes_store
from buildsys.cli.testing import (
    enter_user_namespace,
    require_podman,
    takes_timeout_factor,
    try_and_tell,
)
from buildsys.diagnostics import Refused

if TYPE_CHECKING:
    from buildsys.executors.outcome import Ground, Result
    from buildsys.image import ImageSet


@click.command()
@takes_set
@takes_plan
@takes_store
@click.option(
    "-j", "--jobs", metavar="N", type=click.IntRange(min=1), help="Images at once; else what suits this host."
)
@takes_timeout_factor
@click.option("--no-tests", is_flag=True, help="Build only.")
def periodic(
    choice: Choice,
    locking: Locking,
    directory: Path,
    build_directory: Path,
    *,
    store: str,
    jobs: int | None,
    timeout_factor: float,
    no_tests: bool,
) -> None:
    """Bring an image set up to date, as a timer does, and report.

    Asks the repositories what they hold, moves the lock to that, builds what it makes stale, tests what has
    not passed yet, and leaves report.md and report.json in the plan's directory. Exit status 0: nothing had
    changed and nothing was built; 10: something had, and all of it was built and has passed.
    """
    from buildsys.executors import make, outcome

    enter_user_namespace()
    began, start = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    names, before = _names(directory), outcome.look(directory)
    found = report.Report(choice.name, choice.site or "", began)
    try:
        found = replace(found, lock=_move_lock(choice, locking, build_directory, store))
        image_set, _ = planned(choice, EVERY, locking, directory, build_directory, runs=True)
        if not no_tests:
            require_podman(image_set, build_directory)
    except Refused as refused:
        outside = status_of(item.code for item in refused.diagnostics) == FAILED
        word = report.FAILED if outside else report.REFUSED
        found = replace(found, outcome=word, mistakes=refused.diagnostics)
        _leave(found, start, directory)
        raise
    status = make.wait(directory, make.Run(store, jobs, pull=not image_set.site.locked))
    found = replace(
        found,
        site=image_set.site.name,
        added=tuple(name for name in image_set.images if names and name not in names),
        removed=tuple(name for name in names if name not in image_set.images),
    )
    found = _with_images(found, directory, before, status)
    try:
        if not (status or no_tests):
            found = _with_tests(
                found, directory, image_set, store=store, jobs=jobs, timeout_factor=timeout_factor
            )
            status = FAILED if found.unfit else 0
    except KeyboardInterrupt:
        found, status = replace(found, outcome=report.INTERRUPTED), INTERRUPTED
    _leave(found, start, directory)
    if status or found.built:
        raise Ended(status or CHANGED)


def _move_lock(
    choice: Choice, locking: Locking, build_directory: Path, store: str
) -> tuple[report.Moved, ...]:
    """Move a lock that is written down to what the repositories hold now; returns what moved.

    One that keeps itself is renewed when the plan is written; where there is none, nothing is held.
    """
    from buildsys.lock.answers import differences
    from buildsys.lock.file import read, write
    from buildsys.lock.make import Wish, make_lock
    from buildsys.lock.moved import moves
    from buildsys.lock.places import lock_path
    from buildsys.lock.unmoved import unmoved

    image_set, kept = choice.made(build_directory)
    path = locking.file or kept or lock_path(image_set, build_directory)
    if locking.unlocked or path == kept or not path.exists():
        return ()
    old = read(path, image_set=image_set.name, site=image_set.site.name)
    places = locking.places(build_directory)
    if not differences(image_set, old) and unmoved(image_set, old, places, store=store):
        return ()
    new = make_lock(image_set, places, Wish(old), store=store)
    if new != old:
        write(new, path)
    return tuple(report.Moved(move.image, move.name, move.old, move.new) for move in moves(old, new))


def _names(directory: Path) -> list[str]:
    """The images that a plan has; none, where there is no plan yet."""
    try:
        return list(json.loads((directory / "plan.json").read_text())["images"])
    except FileNotFoundError:
        return []


def _with_images(found: report.Report, directory: Path, before: Ground, status: int) -> report.Report:
    """The report, with what the run made of the images."""
    from buildsys.executors import outcome

    events = outcome.results(directory, before)
    # A run that ends before it begins, for want of a tool or of space, has looked at nothing.
    fresh = [] if events is None else outcome.known_fresh(directory)
    by = {
        kind: [item for item in events or () if item.status == kind] for kind in ("built", "fresh", "failed")
    }
    reached = {*fresh, *(item.image for item in events or ())}
    words = {0: report.CHANGED if by["built"] else report.UNCHANGED, INTERRUPTED: report.INTERRUPTED}
    return replace(
        found,
        outcome=words.get(status, report.FAILED),
        built=tuple(_built(item, before) for item in by["built"]),
        failed=tuple(
            report.Failed(
                item.image,
                item.at,
                f"{directory}/logs/{item.image}.log",
                tuple(outcome.log_end(directory, item.image)),
            )
            for item in by["failed"]
        ),
        blocked=tuple(name for name in _names(directory) if name not in reached),
        fresh=len(fresh) + len(by["fresh"]),
        packages=tuple(_packages(by["built"], before, outcome.look(directory))),
    )


def _with_tests(
    found: report.Report,
    directory: Path,
    image_set: ImageSet,
    *,
    store: str,
    jobs: int | None,
    timeout_factor: float,
) -> report.Report:
    """The report, with what came of trying the images."""
    from buildsys.executors.proof import promoted

    images, scenarios = tuple(image_set.images), tuple(image_set.scenarios)
    tried = try_and_tell(
        image_set, directory, images, scenarios, store=store, jobs=jobs, timeout_factor=timeout_factor
    )
    unfit = tuple(
        report.Unfit(item.kind, item.name, item.mistakes, item.log) for item in tried if not item.passed
    )
    return replace(
        found,
        outcome=report.FAILED if unfit else found.outcome,
        tried=sum(not item.known for item in tried),
        unfit=unfit,
        promoted=promoted(directory) is not None,
    )


def _built(item: Result, before: Ground) -> report.Built:
    known = before.images.get(item.image)
    return report.Built(item.image, item.reason, item.seconds, item.id, known is None or known.id != item.id)


def _packages(built: Iterable[Result], before: Ground, after: Ground) -> Iterator[report.Package]:
    """Packages that images install in another version than when they were built the last time."""
    from buildsys.packages.change import package_changes
    from buildsys.plan.difference import packages

    for item in built:
        if item.image in before.images and item.image in after.images:
            sides = (packages(ground.images[item.image].inputs) for ground in (before, after))
            for change in package_changes(*sides):
                yield report.Package(item.image, change.name, change.arch, change.old, change.new)


def _leave(found: report.Report, start: float, directory: Path) -> None:
    """Write the report beside the plan, where there is one."""
    found = replace(found, seconds=round(time.monotonic() - start, 1))
    if (directory / "plan.json").is_file():
        found.write(directory)
        say(f"{found.set}: {found.sentence()}; {directory}/report.md says more")
