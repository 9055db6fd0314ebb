"""Try the images of a built plan: what has not passed yet with the images there are now, side by side."""

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
from buildsys.run.lock import images_stay, plan_id, turn
from buildsys.run.make import current
from buildsys.run.pace import Pace
from buildsys.testing import passed, spec
from buildsys.testing.image_test import test_image
from buildsys.testing.junit import junit
from buildsys.testing.podman import Interrupted, Podman
from buildsys.testing.result import Case, Kind, Outcome
from buildsys.testing.scenario import Stage, play
from buildsys.testing.spec import Scenario
from buildsys.testing.suiting import suit


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be tried, and how."""

    images: Sequence[str]
    scenarios: Sequence[str]
    store: str
    """Options of buildah that choose the container store."""
    run_root: Callable[[], str]
    """Where that store keeps what lives only until the next start of the host; asked only when needed."""
    jobs: int
    """Images at once."""
    again: bool
    """Try what has passed before, too."""
    timeout_factor: float = 1.0
    """How much longer everything may take than was written."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Whom a run tells what it does."""

    say: Callable[[str], None]
    ended: Callable[[Outcome, int, int], None]
    """Called once an outcome, as they come, with its number and how many there will be."""


def try_images(directory: Path, set_name: str, wish: Wish, teller: Teller) -> list[Outcome]:
    """Try what is wished for; the outcomes in the order of the wish, scenarios last.

    Raises:
        Refused: an image is not built.
        KeyboardInterrupt: the run was interrupted; nothing of it is left behind.
        NothingSuits: this host runs no container.
    """
    with turn(directory, f"testing {set_name}", teller.say):
        trial = _Trial(directory, wish, teller)
        outcomes = trial.outcomes()
        passed.write_text(directory / "results" / "junit.xml", junit(set_name, outcomes))
        passed.show_in_results(directory, wish.images)
        passed.promote(directory)
    return outcomes


class _Trial:
    """One run."""

    def __init__(self, directory: Path, wish: Wish, teller: Teller) -> None:
        self._directory = directory
        self._wish = wish
        self._teller = teller
        self._ids = current(directory)
        tests, scenarios = spec.read_tests(directory), spec.read_scenarios(directory)
        self._tests = {name: tests[name] for name in wish.images if name in tests}
        self._scenarios = [scenarios[name] for name in wish.scenarios]
        self._number = self._total = 0
        self._marker = directory / "state" / "trying"
        used = dict.fromkeys(
            [
                *self._tests,
                *(name for item in self._scenarios for name in item.images),
            ]
        )
        if lacking := [name for name in used if name not in self._ids]:
            message = f"what is to be tried is not built: {', '.join(lacking)}"
            raise Refused([Diagnostic(NOWHERE, Code.MISSING_IMAGE, message, "build the set first")])

    def outcomes(self) -> list[Outcome]:
        """All outcomes, new and known."""
        known = {} if self._wish.again else dict(self._known())
        images = [name for name in self._tests if ("image", name) not in known]
        scenarios = [item for item in self._scenarios if ("scenario", item.name) not in known]
        self._total = len(images) + len(scenarios)
        new = self._try(images, scenarios) if self._total else {}
        order = [("image", name) for name in self._tests]
        order += [("scenario", item.name) for item in self._scenarios]
        return [new.get(key) or known[key] for key in order]

    def _known(self) -> Iterator[tuple[tuple[str, str], Outcome]]:
        tried: list[tuple[Kind, str, str, tuple[str, ...]]] = []
        tried += [("image", name, test.hash, (name,)) for name, test in self._tests.items()]
        tried += [("scenario", item.name, item.hash, item.images) for item in self._scenarios]
        for kind, name, what, images in tried:
            ids = {image: self._ids[image] for image in images if image in self._ids}
            if passed.passed_before(self._directory, kind, name, what, ids):
                yield (kind, name), passed.recalled(self._directory, kind, name, what, ids)

    def _try(self, images: Sequence[str], scenarios: Sequence[Scenario]) -> dict[tuple[str, str], Outcome]:
        run_root = self._wish.run_root()
        podman = Podman(
            self._wish.store,
            f"buildsys-test-{plan_id(self._directory)}",
            self._directory / "state",
            Pace(self._wish.timeout_factor),
        )
        scratch = Path(run_root, podman.prefix)
        with images_stay(run_root), _interruptible(), self._cleared(podman, scratch):
            first = images[0] if images else scenarios[0].images[0]
            how = suit(podman, self._ids[first], self._directory / "state" / "containers.conf")
            if podman.configuration is not None:
                self._teller.say(f"podman runs here with {how} ({podman.configuration})")
            new = dict(self._test_images(images, podman))
            for scenario in scenarios:
                outcome = self._play(scenario, podman, scratch / scenario.name)
                new["scenario", scenario.name] = self._ended(outcome)
        return new

    @contextmanager
    def _cleared(self, podman: Podman, scratch: Path) -> Iterator[None]:
        """Nothing is there of an earlier run that was killed, and nothing of this one stays."""
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

    def _test_images(
        self, images: Sequence[str], podman: Podman
    ) -> Iterator[tuple[tuple[str, str], Outcome]]:
        pool = ThreadPoolExecutor(max_workers=self._wish.jobs)
        try:
            running = [pool.submit(self._test, name, podman) for name in images]
            for done in as_completed(running):
                outcome = self._ended(done.result())
                yield ("image", outcome.name), outcome
        except BaseException:
            podman.end()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _test(self, name: str, podman: Podman) -> Outcome:
        began = time.monotonic()
        test, identity = self._tests[name], self._ids[name]
        cases = tuple(test_image(name, test, identity, podman))
        log = self._directory / "logs" / "tests" / f"{name}.log"
        kept = self._keep(log, cases)
        took = time.monotonic() - began
        return Outcome("image", name, test.hash, {name: identity}, cases, took, kept)

    def _play(self, scenario: Scenario, podman: Podman, scratch: Path) -> Outcome:
        began = time.monotonic()
        ids = {name: self._ids[name] for name in scenario.images}
        logs = self._directory / "logs" / "scenarios" / scenario.name
        self._teller.say(f"scenario {scenario.name}: {scenario.about or ', '.join(ids)}")
        cases = tuple(play(scenario, Stage(podman, ids, scratch, logs)))
        kept = f"{logs}/" if logs.exists() else ""
        return Outcome("scenario", scenario.name, scenario.hash, ids, cases, time.monotonic() - began, kept)

    def _keep(self, log: Path, cases: Sequence[Case]) -> str:
        """The log of a test that failed; of one that passed there is none."""
        if not any(case.mistakes for case in cases):
            log.unlink(missing_ok=True)
            return ""
        text = "".join(f"$ {case.name}\n{case.output}\n" for case in cases)
        passed.write_text(log, text)
        return str(log)

    def _ended(self, outcome: Outcome) -> Outcome:
        passed.remember(self._directory, outcome)
        self._number += 1
        self._teller.ended(outcome, self._number, self._total)
        return outcome


@contextmanager
def _interruptible() -> Iterator[None]:
    """Whatever asks this process to end does it as an interrupt from the terminal would."""

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
    """Images to try at once."""
    return 2 * (os.cpu_count() or 1)
