"""The verb that tries what was built: test."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.cli.build import drawn, sources_of, write_plan
from buildsys.cli.options import examples, takes_jobs, takes_plan, takes_selection, takes_set, words
from buildsys.cli.output import FAILED, MISSING, Ended, put, say
from buildsys.cli.secrets import check_secrets, takes_secrets
from buildsys.cli.stores import takes_store
from buildsys.cli.surroundings import enter_user_namespace
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest
from buildsys.pipeline import Pipeline
from buildsys.selection import Selection

if TYPE_CHECKING:
    from buildsys.image import ImageSet
    from buildsys.testing.result import Case, Outcome

NUMBERS = re.compile(r"[0-9a-f]{8,}|[0-9]+")
"""What differs between lines that are alike: times, ports, ids."""
ALIKE = 3
"""This many lines that are alike are shown as one."""
LONGEST = 200
"""Characters of a line of an answer."""
LINES = 20
"""Lines of output that are shown for a failure."""


takes_timeout_factor = click.option(
    "--timeout-factor",
    envvar="BS_TIMEOUT_FACTOR",
    show_envvar=True,
    metavar="N",
    type=click.FloatRange(min=0.01, max=1000),
    default=1.0,
    show_default=True,
    help="How much longer tests and scenarios may take than they say.",
)


@click.command(epilog=examples("buildsys test stable-pike", "buildsys test stable-pike nova-api --again"))
@takes_set
@takes_selection(parents=False)
@click.option(
    "--scenario", "scenarios", metavar="NAME", multiple=True,
    help="A scenario of the set. With this, or with IMAGE, nothing else is tried.",
)  # fmt: skip
@click.option("--again", is_flag=True, help="Try what has passed before, too.")
@takes_plan
@takes_store
@takes_timeout_factor
@takes_jobs
@takes_secrets
def test(
    pipeline: Pipeline,
    selection: Selection,
    directory: Path,
    *,
    scenarios: tuple[str, ...],
    again: bool,
    store: str,
    timeout_factor: float,
    jobs: int | None,
    secrets: tuple[str, ...],
) -> None:
    """Build what is stale, then try it: tests of images, scenarios of the set.

    What passed before with the same images is not tried again. IMAGE is a name, a glob in quotes
    ('neutron-*') or a profile (@compute); none: all of the set, and all its scenarios. Results go to
    results/junit.xml in the plan's directory.
    """
    from buildsys.run import make

    enter_user_namespace()
    image_set, goals = write_plan(pipeline, selection, directory, runs=True)
    check_secrets(secrets, image_set)
    chosen = _scenarios(image_set, words(scenarios))
    require_podman(image_set, pipeline.build_directory)
    needed = tuple(dict.fromkeys((*goals, *_images(image_set, chosen))))
    if not needed:
        goals, chosen = tuple(image_set.images), tuple(image_set.scenarios)
    how = make.RunOptions(store, jobs, secrets=secrets, sources=sources_of(pipeline))
    status = drawn(directory, needed, how)
    if status is None:
        status = make.wait(directory, how, needed)
    if status:
        raise Ended(status, "nothing is tried while images are not built")
    outcomes = try_and_tell(
        image_set,
        directory,
        goals,
        chosen,
        store=store,
        jobs=jobs,
        again=again,
        timeout_factor=timeout_factor,
    )
    if not all(outcome.passed for outcome in outcomes):
        raise Ended(FAILED)


def _scenarios(image_set: ImageSet, names: Sequence[str]) -> tuple[str, ...]:
    """Scenarios that were asked for."""
    mistakes = []
    for name in names:
        if name not in image_set.scenarios:
            known = ", ".join(image_set.scenarios) or "none"
            where = f"{image_set.name} at the site {image_set.site.name}"
            hint = closest(name, image_set.scenarios) or f"scenarios of {where}: {known}"
            mistakes.append(
                Diagnostic(NOWHERE, Code.UNKNOWN_SCENARIO, f"no scenario is called '{name}'", hint)
            )
    if mistakes:
        raise Refused(mistakes)
    return tuple(dict.fromkeys(names))


def _images(image_set: ImageSet, scenarios: Sequence[str]) -> list[str]:
    return [item.image for name in scenarios for item in image_set.scenarios[name].containers]


def require_podman(image_set: ImageSet, build_directory: Path) -> None:
    """Make sure of podman, where anything is to be tried.

    Raises:
        Refused: it is missing or too old.
    """
    from buildsys.image import ImageTest
    from buildsys.programs import require

    if image_set.scenarios or any(item.test != ImageTest() for item in image_set.images.values()):
        require(("podman", "find"), build_directory / "tools.json")


def try_and_tell(
    image_set: ImageSet,
    directory: Path,
    images: Sequence[str],
    scenarios: Sequence[str],
    *,
    store: str,
    jobs: int | None,
    again: bool = False,
    timeout_factor: float = 1.0,
) -> list[Outcome]:
    """Try built images and scenarios, and say what comes of it.

    Raises:
        Ended: this host runs no container.
    """
    from buildsys import storage
    from buildsys.testing import passed, run
    from buildsys.testing.podman import NothingWorks

    def run_root() -> str:
        there = storage.store(store)
        if there is None:
            raise Ended(MISSING, f"`buildah {store} info` cannot open the container store")
        return there.run

    request = run.Request(
        images, scenarios, store, run_root, jobs or run.default_jobs(), again, timeout_factor
    )
    try:
        outcomes = run.run_tests(directory, image_set.name, request, run.Reporter(say, _tell))
    except NothingWorks as problem:
        raise Ended(MISSING, f"podman runs no container here: {problem}") from problem
    for outcome in outcomes:
        if not outcome.passed:
            _tell_failure(outcome)
    _sum_up(image_set, outcomes, marked=passed.promoted(directory) is not None)
    return outcomes


def _tell(outcome: Outcome, number: int, total: int) -> None:
    about = f"scenario {outcome.name}" if outcome.kind == "scenario" else outcome.name
    note = "" if outcome.passed else "  FAILED"
    put(f"[{number}/{total}] {about} {outcome.seconds:.1f} s{note}")


def _tell_failure(outcome: Outcome) -> None:
    for case in outcome.cases:
        for mistake in case.mistakes:
            say(f"\n{mistake.text()}")
        if case.mistakes:
            _tell_output(case)
    if outcome.log:
        say(f"    (all of it: {outcome.log})")


def _tell_output(case: Case) -> None:
    if case.tries:
        times = f"{case.tries} times" if case.tries > 1 else "once"
        answer = case.answer.strip().splitlines()
        end = "; the last answer begins:" if answer else ""
        say(f"    asked {times} in {case.seconds:.1f} s{end}")
        for line in answer[:3]:
            say(f"      {line[:LONGEST]}")
    for line in condensed(case.output.rstrip().splitlines())[-LINES:]:
        say(f"    {line}")


def condensed(lines: Sequence[str]) -> list[str]:
    """The lines, but of alike ones, as a server writes of each request, only the last, with their number."""
    kinds = [NUMBERS.sub("0", line) for line in lines]
    numbers, last = Counter(kinds), {kind: place for place, kind in enumerate(kinds)}
    return [
        f"{line}  ({numbers[kind]} lines like this)" if numbers[kind] >= ALIKE else line
        for place, (line, kind) in enumerate(zip(lines, kinds, strict=True))
        if numbers[kind] < ALIKE or place == last[kind]
    ]


def _sum_up(image_set: ImageSet, outcomes: Sequence[Outcome], *, marked: bool) -> None:
    failed = sum(not outcome.passed for outcome in outcomes)
    known = sum(outcome.known for outcome in outcomes)
    counts = {
        "passed": len(outcomes) - failed - known, "had passed before": known, "failed": failed,
    }  # fmt: skip
    words = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    mark = "; promoted" if marked else ""
    say(f"{image_set.name}: {len(outcomes)} tried: {words or 'nothing says how'}{mark}")
