"""Run a written plan under GNU make: this process becomes the plan's own `lib/run.sh`.

The plan needs none of our Python: signals, the terminal, make's job server and the exit status need no
process of ours between the caller and the run.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from buildsys import programs
from buildsys.interrupts import ENDINGS
from buildsys.temporary import TEMPORARY

INTERRUPTED = 130
"""Exit status of a run that one of these signals ended."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run."""

    store: str = ""
    """Options of buildah that choose the container store; empty: the user's default."""
    jobs: int | None = None
    """Images at once; None: from make's job server, or else the plan's choice for this host."""
    force: bool = False
    """Build fresh images too."""
    secrets: tuple[str, ...] = ()
    """NAME=FILE for secrets that Containerfiles mount; they override BS_SECRETS."""
    damaged: Path | None = None
    """A file with the damaged layers of the store, one line `LAYER WORDS` each."""
    pull: bool = False
    """Pull the base images again, before anything else."""
    whole: bool = False
    """Report every change in a reason, not only the first three of a kind."""
    sources: Path | None = None
    """Where paths of recipes begin: a failure shows the line of its recipe; None: only the place."""
    on: str = ""
    """The command that runs a step on another machine, with shell quotes; empty: as the environment says."""
    show: Literal["", "summary", "failures"] = ""
    """What the run prints: a line for each image, failures and a summary; or less."""

    def environment(self, outer: Mapping[str, str]) -> dict[str, str]:
        """The environment of the run: `outer` with these options."""
        environment = {**outer, "BS_STORE": self.store}
        if self.show:
            environment["BS_SHOW"] = self.show
        if self.sources is not None:
            environment["BS_SOURCES"] = str(self.sources)
        if self.jobs is not None:
            environment["JOBS"] = str(self.jobs)
        if self.on:
            environment["BS_ON"] = self.on
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
    """What a run would do with an image, and the reason."""

    image: str
    state: str
    """`fresh`, `stale`, or another word of plan/runtime/freshness.sh."""
    reason: str


def run(directory: Path, goals: Sequence[str], how: RunOptions) -> NoReturn:
    """Become the run of a plan: build `goals` (all images if there are none) and the images they need.

    Exit statuses are the plan's: 0 done, 1 some failed, 3 a tool is missing, 130 interrupted.
    """
    _become(directory, "run.sh", goals, how)


def wait(directory: Path, how: RunOptions, goals: Sequence[str] = ()) -> int:
    """Run a plan as `run` does, in a child process; returns its exit status.

    A signal to end is passed on: the run ends its steps, then this returns `INTERRUPTED`.
    """
    argv = arguments(directory, "run.sh", *goals)
    running: list[programs.Running] = []
    heard: list[int] = []

    def pass_on(number: int, _: object) -> None:
        heard.append(number)
        for process in running:
            process.terminate()

    with _answered(pass_on):
        running.append(programs.start(argv, how.environment(os.environ)))
        if heard:
            running[0].terminate()
        status = running[0].wait()
    if heard:
        return INTERRUPTED
    return status if status >= 0 else 128 - status


@contextmanager
def _answered(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Install the handler for signals that end a run, except those that the caller ignores."""
    before = {number: signal.getsignal(number) for number in ENDINGS}
    heard = [number for number in ENDINGS if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def prune(directory: Path, how: RunOptions, *, keep: int, remove: bool) -> NoReturn:
    """Become the plan's pruning: list the images that earlier builds left in the store, or remove them.

    Each image keeps `keep` older keys.
    Exit statuses: 0 done, 1 a build is running, or something could not be removed.
    """
    _become(directory, "prune.sh", ["--keep", str(keep), *(["--yes"] if remove else [])], how)


def _become(directory: Path, program: str, words: Sequence[str], how: RunOptions) -> NoReturn:
    # Python ignores these two, and an ignored signal stays ignored after exec; a handler does not.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    argv = arguments(directory, program, *words)
    TEMPORARY.end()
    os.execvpe("bash", argv, how.environment(os.environ))  # noqa: S606 - no shell of ours reads it


def arguments(directory: Path, program: str, *words: str) -> list[str]:
    """The argv of a program of the plan."""
    return ["bash", str(directory / "lib" / program), *words]


def why(directory: Path, names: Sequence[str], how: RunOptions) -> Iterator[Decision]:
    """Ask the plan what a run would do with images (all if there are none); yields each decision at once.

    Raises:
        ToolFailed: the plan's program fails; it has printed the reason.
    """
    argv = arguments(directory, "why.sh", *names)
    for line in programs.lines(argv, how.environment(os.environ)):
        yield Decision(*line.split("\t", 2))
