"""What an engine is: something that runs one step's command on a slot of some machine.

GNU make schedules the graph, and `lib/launch.sh` of the plan decides what is tried again. An engine starts a
command elsewhere, gives it its stdin, passes on what it prints, and returns its status.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused

LOST = 69
"""Status of an attempt whose worker is gone (EX_UNAVAILABLE): `lib/launch.sh` tries once more, elsewhere."""
UNFIT = 78
"""Status of an attempt that nothing here can mend (EX_CONFIG): `lib/launch.sh` stops."""

Put = Callable[[int, bytes], None]
"""Takes output as it comes: the descriptor, 1 or 2, and bytes."""


@dataclass(frozen=True, slots=True)
class Slots:
    """One worker: a machine, or a part of one, with a container store of its own."""

    worker: str
    count: int
    """Steps at the same time."""


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt to build one image."""

    image: str
    attempt: str
    """Unique in this run."""
    argv: tuple[str, ...]
    stdin: bytes
    priority: int = 0
    """Milliseconds until the last image above this one is done: the longest chain begins first."""
    prefer: str = ""
    """The worker that has the parent's layers, if these are large; empty: any."""
    avoid: frozenset[str] = field(default=frozenset())
    """Workers that failed this image in this run."""


class Engine(Protocol):
    """What supplies slots. All methods run in one asyncio loop."""

    async def start(self) -> None:
        """Connect, and look at the workers.

        Raises:
            Refused: the engine cannot be reached, or its workers cannot build; with all reasons.
        """

    async def slots(self) -> Sequence[Slots]:
        """The workers that are known now."""

    async def submit(self, step: Step, put: Put) -> int:
        """Run a step on a slot, when one is free; returns the exit status of its command.

        Cancelling the task ends the step, with all that it started.

        Raises:
            WorkerLost: the worker is gone, and the step with it.
            EngineLost: the engine is gone.
        """

    async def stop(self) -> None:
        """End what still runs, and disconnect."""


class WorkerLost(Exception):  # noqa: N818 - reads as what happened
    """The worker of a running step is gone."""


class EngineLost(Exception):  # noqa: N818 - reads as what happened
    """The engine does not answer any more: no step of this run can begin."""


def refused(code: Code, message: str, hint: str = "") -> Refused:
    """The error of a value of `--on`, or of what it names."""
    return Refused([Diagnostic(NOWHERE, code, message, hint)])
