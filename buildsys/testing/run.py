"""Run the tests and scenarios of a built plan; what passed with the present images is not run again."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.files import write_record
from buildsys.interrupts import Interrupted
from buildsys.plan.read import current, plan_id
from buildsys.run.plan_lock import images_stay, turn
from buildsys.testing import passed, spec
from buildsys.testing.image_test import test_image
from buildsys.testing.junit import junit
from buildsys.testing.pace import Pace
from buildsys.testing.podman import Podman, configure
from buildsys.testing.result import Case, Kind, Outcome
from buildsys.testing.scenario import Stage, play

Key = tuple[Kind, str]
"""An image or a scenario, by kind and name."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to test, and how."""

    images: Sequence[str]
    """Images without a test are skipped."""
    scenarios: Sequence[str]
    store: str
    """Options of buildah that select the container store."""
    run_root: Callable[[], str]
    """The directory of that store which the next boot empties; called only if something is run."""
    jobs: int
    """Images that are tested at the same time."""
    again: bool
    """Run also what passed before."""
    timeout_factor: float = 1.0
    """Multiplies all time limits."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Receives the progress of a run."""

    say: Callable[[str], None]
    """Shows a line of text."""
    ended: Callable[[Outcome, int, int], None]
    """Called for each new outcome, in order of time, with its number from 1 and the number of all."""


def run_tests(directory: Path, set_name: str, request: Request, reporter: Reporter) -> list[Outcome]:
    """Run what is requested of the plan in this directory; the outcomes in that order, scenarios last.

    Raises:
        Refused: an image is not built.
        KeyboardInterrupt: the run was interrupted; it left no container behind.
        NothingWorks: podman runs no container on this host.
    """
    with turn(directory, f"testing {set_name}", reporter.say):
        outcomes = _Run(directory, request, reporter).outcomes()
        write_record(directory / "results" / "junit.xml", junit(set_name, outcomes))
        passed.add_to_results(directory, request.images)
        passed.promote(directory)
    return outcomes


class _Run:
    """One run."""

    def __init__(self, directory: Path, request: Request, reporter: Reporter) -> None:
        self._directory = directory
        self._request = request
        self._reporter = reporter
        self._ids = current(directory)
        tests, scenarios = spec.read_tests(directory), spec.read_scenarios(directory)
        self._tests = {name: tests[name] for name in request.images if name in tests}
        self._scenarios = {name: scenarios[name] for name in request.scenarios}
        self._number = self._total = 0
        self._marker = directory / "state" / "trying"
        used = dict.fromkeys(
            (*self._tests, *(name for item in self._scenarios.values() for name in item.images))
        )
        if missing := [name for name in used if name not in self._ids]:
            message = f"images to be tested are not built: {', '.join(missing)}"
            raise Refused([Diagnostic(NOWHERE, Code.MISSING_IMAGE, message, "build the set first")])

    def outcomes(self) -> list[Outcome]:
        """All outcomes, new and known."""
        known = {} if self._request.again else dict(self._known())
        images = [name for name in self._tests if ("image", name) not in known]
        scenarios = [name for name in self._scenarios if ("scenario", name) not in known]
        self._total = len(images) + len(scenarios)
        new = self._run(images, scenarios) if self._total else {}
        order: list[Key] = [("image", name) for name in self._tests]
        order += [("scenario", name) for name in self._scenarios]
        return [new.get(key) or known[key] for key in order]

    def _known(self) -> Iterator[tuple[Key, Outcome]]:
        """The outcomes of what passed before with the present images."""
        items: list[tuple[Key, str, tuple[str, ...]]] = []
        items += [(("image", name), test.hash, (name,)) for name, test in self._tests.items()]
        items += [(("scenario", name), item.hash, item.images) for name, item in self._scenarios.items()]
        for key, digest, images in items:
            ids = {image: self._ids[image] for image in images}
            if outcome := passed.recalled(self._directory, *key, digest, ids):
                yield key, outcome

    def _run(self, images: Sequence[str], scenarios: Sequence[str]) -> dict[Key, Outcome]:
        run_root = self._request.run_root()
        podman = Podman(
            self._request.store,
            f"buildsys-test-{plan_id(self._directory)}",
            self._directory / "state",
            Pace(self._request.timeout_factor),
        )
        scratch = Path(run_root, podman.prefix)
        with images_stay(run_root), _interruptible(), self._cleared(podman, scratch):
            first = images[0] if images else self._scenarios[scenarios[0]].images[0]
            how = configure(podman, self._ids[first], self._directory / "state" / "containers.conf")
            if podman.configuration is not None:
                self._reporter.say(f"podman runs here with {how} ({podman.configuration})")
            new: dict[Key, Outcome] = {
                ("image", item.name): item for item in self._test_images(images, podman)
            }
            for name in scenarios:
                new["scenario", name] = self._ended(self._play(name, podman, scratch / name))
        return new

    @contextmanager
    def _cleared(self, podman: Podman, scratch: Path) -> Iterator[None]:
        """Remove what a killed earlier run left, and what this one leaves when it is interrupted."""
        if self._marker.exists():
            podman.clear()
            shutil.rmtree(scratch, ignore_errors=True)
        self._marker.touch()
        try:
            yield
        except BaseException:
            podman.end()
            podman.clear()
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._marker.unlink()

    def _test_images(self, images: Sequence[str], podman: Podman) -> Iterator[Outcome]:
        pool = ThreadPoolExecutor(max_workers=self._request.jobs)
        try:
            running = [pool.submit(self._test, name, podman) for name in images]
            for done in as_completed(running):
                yield self._ended(done.result())
        except BaseException:
            podman.end()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _test(self, name: str, podman: Podman) -> Outcome:
        began = time.monotonic()
        test, identity = self._tests[name], self._ids[name]
        cases = tuple(test_image(name, test, identity, podman))
        log = self._keep_log(self._directory / "logs" / "tests" / f"{name}.log", cases)
        return Outcome("image", name, test.hash, {name: identity}, cases, time.monotonic() - began, log)

    def _play(self, name: str, podman: Podman, scratch: Path) -> Outcome:
        began = time.monotonic()
        scenario = self._scenarios[name]
        ids = {image: self._ids[image] for image in scenario.images}
        logs = self._directory / "logs" / "scenarios" / name
        self._reporter.say(f"scenario {name}: {scenario.about or ', '.join(ids)}")
        cases = tuple(play(scenario, Stage(podman, ids, scratch, logs)))
        log = f"{logs}/" if logs.exists() else ""
        return Outcome("scenario", name, scenario.hash, ids, cases, time.monotonic() - began, log)

    def _keep_log(self, log: Path, cases: Sequence[Case]) -> str:
        """Write the log of a failed test and return its path; remove the log of one that passed."""
        if not any(case.mistakes for case in cases):
            log.unlink(missing_ok=True)
            return ""
        parts = (f"$ {case.name}\n{case.answer}{case.output}\n" for case in cases)
        write_record(log, "".join(parts))
        return str(log)

    def _ended(self, outcome: Outcome) -> Outcome:
        passed.remember(self._directory, outcome)
        self._number += 1
        self._reporter.ended(outcome, self._number, self._total)
        return outcome


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn signals that end this process into KeyboardInterrupt."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python's signature
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except Interrupted as end:
        raise KeyboardInterrupt from end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def default_jobs() -> int:
    """Images to test at the same time: commands of a test wait more than they compute."""
    return 2 * (os.cpu_count() or 1)
