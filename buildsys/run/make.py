"""Run a written plan under GNU make: this process becomes the plan's own `lib/run.sh`.

The plan needs none of our Python, so nothing of ours waits for it: signals, exit status, the terminal and
make's job server reach the run as they reached us.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from buildsys.temporary import TEMPORARY

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a run to end."""
INTERRUPTED = 130
"""Exit status of a run that was asked to end, by whichever of these."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a plan is to be run."""

    store: str = ""
    """Options of buildah that choose the container store; empty: the user's own."""
    jobs: int | None = None
    """Images at once; None: as make's job server says, else as the plan finds best."""
    force: bool = False
    """Build what is fresh too."""
    secrets: tuple[str, ...] = ()
    """NAME=FILE for secrets that Containerfiles mount; they count for more than those of BS_SECRETS."""
    damaged: Path | None = None
    """A file that names layers of the store which were found damaged; a line `LAYER WORDS` each."""
    pull: bool = False
    """Ask for base images anew, before anything else."""
    whole: bool = False
    """Give reasons with everything that changed, not only the first three of a kind."""

    def environment(self, outer: Mapping[str, str]) -> dict[str, str]:
        """The environment of the run: ours, and what was asked for."""
        environment = {**outer, "BS_STORE": self.store}
        if self.jobs is not None:
            environment["JOBS"] = str(self.jobs)
        if self.secrets:
            before = outer.get("BS_SECRETS", "")
            environment["BS_SECRETS"] = f"{before} {shlex.join(self.secrets)}".strip()
        if self.force:
            environment["BS_FORCE"] = "1"
        if self.damaged is not None:
            environment["BS_DAMAGED"] = str(self.damaged.absolute())
        if self.pull:
            environment["BS_PULL"] = "1"
        if self.whole:
            environment["BS_ALL"] = "1"
        return environment


@dataclass(frozen=True, slots=True)
class Decision:
    """What a run would do with an image, and why."""

    image: str
    state: str
    """`fresh`, `stale`, or another word of plan/runtime/freshness.sh."""
    reason: str


class PlanFailed(Exception):  # noqa: N818 - reads as what happened
    """The plan's own program failed, and has said why; carries its exit status."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"exit status {status}")


def run(directory: Path, goals: Sequence[str], how: Run) -> NoReturn:
    """Become the run of a plan: build `goals` (all images when there are none) and what they are made from.

    Exit statuses are the plan's: 0 done, 1 some failed, 3 a tool is missing, 130 interrupted.
    """
    _become(directory, "run.sh", goals, how)


def wait(directory: Path, how: Run, goals: Sequence[str] = ()) -> int:
    """Run a plan, all of it unless there are goals, and wait for the end; the exit status is as with `run`.

    A signal that asks this process to end is passed on: the run ends what is under way, and we end after it.
    """
    argv = _argv(directory, "run.sh", *goals)
    running: list[subprocess.Popen[bytes]] = []
    heard: list[int] = []

    def pass_on(number: int, _: object) -> None:
        heard.append(number)
        for process in running:
            process.terminate()

    with _answered(pass_on):
        running.append(subprocess.Popen(argv, env=how.environment(os.environ)))
        if heard:
            running[0].terminate()
        status = running[0].wait()
    if heard:
        return INTERRUPTED
    return status if status >= 0 else 128 - status


@contextmanager
def _answered(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Let the handler answer signals that end a run; what the caller ignores stays ignored."""
    before = {number: signal.getsignal(number) for number in ENDINGS}
    heard = [number for number in ENDINGS if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def prune(directory: Path, how: Run, *, keep: int, remove: bool) -> NoReturn:
    """Become the plan's pruning: list what earlier builds left in the store, or remove it.

    Each image keeps as many older keys as `keep` says.
    Exit statuses: 0 done, 1 a build is running, or something could not be removed.
    """
    _become(directory, "prune.sh", ["--keep", str(keep), *(["--yes"] if remove else [])], how)


def _become(directory: Path, program: str, words: Sequence[str], how: Run) -> NoReturn:
    # Python ignores these two, and what is ignored stays so across exec. Handlers of ours do not.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    argv = _argv(directory, program, *words)
    TEMPORARY.end()
    os.execvpe("bash", argv, how.environment(os.environ))  # noqa: S606 - no shell of ours reads it


def _argv(directory: Path, program: str, *words: str) -> list[str]:
    return ["bash", str(directory / "lib" / program), *words]


def why(directory: Path, names: Sequence[str], how: Run) -> Iterator[Decision]:
    """Ask the plan what a run would do with images (all when there are none), as it finds out.

    Raises:
        PlanFailed: the plan could not say.
    """
    argv = _argv(directory, "why.sh", *names)
    with subprocess.Popen(argv, env=how.environment(os.environ), stdout=subprocess.PIPE, text=True) as asked:
        try:
            for line in asked.stdout or ():
                yield Decision(*line.rstrip("\n").split("\t", 2))
        except KeyboardInterrupt:
            asked.terminate()
            raise
    if asked.returncode:
        raise PlanFailed(asked.returncode)
