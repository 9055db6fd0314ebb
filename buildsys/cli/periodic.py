"""The verb for a timer: periodic."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.cli import periodic_report
from buildsys.cli.build import write_plan
from buildsys.cli.options import examples, takes_jobs, takes_plan, takes_set
from buildsys.cli.output import CHANGED, FAILED, INTERRUPTED, MISSING, REFUSED, Ended, say, status_of
from buildsys.cli.secrets import check_secrets, takes_secrets
from buildsys.cli.stores import takes_store
from buildsys.cli.surroundings import enter_user_namespace
from buildsys.cli.test import require_podman, takes_timeout_factor, try_and_tell
from buildsys.diagnostics import Refused
from buildsys.pipeline import Pipeline
from buildsys.selection import EVERY

if TYPE_CHECKING:
    from buildsys.image import ImageSet
    from buildsys.plan.read import Result


@click.command(
    epilog=examples("buildsys periodic stable-pike", "buildsys periodic stable-pike -j 4 --no-tests")
)
@takes_set
@takes_plan
@takes_store
@takes_jobs
@takes_timeout_factor
@takes_secrets
@click.option("--no-tests", is_flag=True, help="Build only.")
def periodic(
    pipeline: Pipeline,
    directory: Path,
    *,
    store: str,
    jobs: int | None,
    timeout_factor: float,
    secrets: tuple[str, ...],
    no_tests: bool,
) -> None:
    """Bring an image set up to date, as a timer does, and report.

    Asks the repositories what they hold, moves the lock to that, builds what it makes stale, tests what has
    not passed yet, and leaves report.md and report.json in the plan's directory. Exit status 0: all images
    are those of the last run that ended well; 10: some are others, all of them are built and have passed.
    """
    enter_user_namespace()
    began, start = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    run = _Run(directory, periodic_report.Report(pipeline.name, pipeline.site or "", began))
    try:
        factor = None if no_tests else timeout_factor
        run.build(pipeline, store=store, jobs=jobs, secrets=secrets, timeout_factor=factor)
    except Refused as refused:
        outside = status_of(item.code for item in refused.diagnostics) == FAILED
        word = periodic_report.FAILED if outside else periodic_report.REFUSED
        run.found = replace(run.found, outcome=word, mistakes=refused.diagnostics)
        raise
    except click.BadParameter as mistake:
        run.found = replace(run.found, outcome=periodic_report.REFUSED, error=mistake.message)
        raise
    except Ended as ended:
        run.found = replace(run.found, outcome=periodic_report.FAILED, error=ended.sentence)
        raise
    except OSError as error:
        run.found = replace(run.found, outcome=periodic_report.FAILED, error=str(error))
        raise
    except KeyboardInterrupt:
        run.found = replace(run.found, outcome=periodic_report.INTERRUPTED)
        raise
    finally:
        run.leave(round(time.monotonic() - start, 1))
    if status := STATUS[run.found.outcome]:
        raise Ended(status)


STATUS = {
    periodic_report.UNCHANGED: 0,
    periodic_report.CHANGED: CHANGED,
    periodic_report.FAILED: FAILED,
    periodic_report.INTERRUPTED: INTERRUPTED,
}
"""Exit status of a run that came to its end."""


class _Run:
    """One periodic build, and what is found out about it so far."""

    def __init__(self, directory: Path, found: periodic_report.Report) -> None:
        from buildsys.plan import read
        from buildsys.run import baseline

        self.directory = directory
        self.found = found
        self._before = read.look(directory)
        left = baseline.read(directory)
        self._left = baseline.now(directory) if left is None else left
        self._names = list(left or read.names(directory))
        if left is None and read.exists(directory):
            # What a run builds that fails later has to be found by the one that ends well.
            baseline.write(directory, self._left)

    def build(
        self,
        pipeline: Pipeline,
        *,
        store: str,
        jobs: int | None,
        secrets: tuple[str, ...],
        timeout_factor: float | None,
    ) -> None:
        """Move the lock, build, and test unless there is no `timeout_factor`."""
        from buildsys.run import make

        moves = pipeline.update_lock()
        moved = tuple(periodic_report.Moved(item.image, item.name, item.old, item.new) for item in moves)
        self.found = replace(self.found, lock=moved)
        image_set, _ = write_plan(pipeline, EVERY, self.directory, runs=True)
        check_secrets(secrets, image_set)
        if timeout_factor is not None:
            require_podman(image_set, pipeline.build_directory)
        status = make.wait(
            self.directory, make.RunOptions(store, jobs, secrets=secrets, pull=not image_set.site.locked)
        )
        before = self._names
        self.found = replace(
            self.found,
            site=image_set.site.name,
            added=tuple(name for name in image_set.images if before and name not in before),
            removed=tuple(name for name in before if name not in image_set.images),
        )
        self._take(status)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        if status in {MISSING, REFUSED}:
            raise Ended(status)
        if not status and timeout_factor is not None:
            self._test(image_set, store=store, jobs=jobs, timeout_factor=timeout_factor)

    def _take(self, status: int) -> None:
        """Take up what the run made of the images."""
        from buildsys.plan import read
        from buildsys.run import baseline

        directory = self.directory
        events = read.results(directory, self._before)
        # A run that ends before it begins, for want of a tool or of space, has looked at nothing.
        fresh = [] if events is None else read.known_fresh(directory)
        by = {
            kind: [item for item in events or () if item.status == kind]
            for kind in ("built", "fresh", "failed")
        }
        reached = {*fresh, *(item.image for item in events or ())}
        built, now = {item.image for item in by["built"]}, baseline.now(directory)
        found = replace(
            self.found,
            built=tuple(self._built(item) for item in by["built"]),
            changed=tuple(
                periodic_report.Changed(
                    change.image,
                    change.new.reference,
                    change.old.id if change.old else "",
                    change.new.id,
                    str(read.result(directory, change.image).get("reason", "")),
                    change.image in built,
                )
                for change in baseline.changes(self._left, now)
            ),
            failed=tuple(
                periodic_report.Failed(
                    item.image,
                    item.at,
                    f"{directory}/logs/{item.image}.log",
                    tuple(read.log_end(directory, item.image)),
                )
                for item in by["failed"]
            ),
            blocked=tuple(name for name in read.names(directory) if name not in reached),
            fresh=len(fresh) + len(by["fresh"]),
            packages=tuple(
                periodic_report.Package(image, change.name, change.arch, change.old, change.new)
                for image, change in baseline.changed_packages(self._left, now)
            ),
        )
        well = periodic_report.CHANGED if found.is_changed else periodic_report.UNCHANGED
        self.found = replace(found, outcome=periodic_report.FAILED if status else well)

    def _built(self, item: Result) -> periodic_report.Built:
        is_new = self._before.ids.get(item.image) != item.id
        return periodic_report.Built(item.image, item.reason, item.seconds, item.id, is_new)

    def _test(self, image_set: ImageSet, *, store: str, jobs: int | None, timeout_factor: float) -> None:
        from buildsys.testing.passed import promoted

        images, scenarios = tuple(image_set.images), tuple(image_set.scenarios)
        tried = try_and_tell(
            image_set,
            self.directory,
            images,
            scenarios,
            store=store,
            jobs=jobs,
            timeout_factor=timeout_factor,
        )
        unfit = tuple(
            periodic_report.Unfit(item.kind, item.name, item.mistakes, item.log)
            for item in tried
            if not item.passed
        )
        self.found = replace(
            self.found,
            outcome=periodic_report.FAILED if unfit else self.found.outcome,
            tried=sum(not item.known for item in tried),
            unfit=unfit,
            promoted=promoted(self.directory) is not None,
        )

    def leave(self, seconds: float) -> None:
        """Write the report into the plan's directory, where there is one; remember a set that is well."""
        from buildsys.plan import read
        from buildsys.run import baseline

        self.found = replace(self.found, seconds=seconds)
        if not read.exists(self.directory):
            return
        self.found.write(self.directory)
        say(f"{self.found.set}: {self.found.sentence()}; {self.directory}/report.md says more")
        if self.found.outcome == periodic_report.CHANGED:
            # After the report: if this run is killed before that, the next one reports the same changes.
            baseline.write(self.directory, baseline.now(self.directory))
