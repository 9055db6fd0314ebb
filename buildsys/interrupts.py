"""SIGINT, SIGTERM and SIGHUP: whichever asks this process to end, it ends as after Ctrl-C in a terminal.

A terminal sends SIGINT to everything that runs in it. A timer, a CI runner or `kill` sends a signal to this
process alone: so it is passed on, and nothing goes on without the process that waits for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a process to end."""


class Interrupted(Exception):  # noqa: N818 - reads as what happened
    """The run must end: nothing further is started in its threads."""


def hear() -> None:
    """From now on each of these signals is a KeyboardInterrupt here, and SIGTERM to what this one started.

    What the caller ignores, as nohup does with SIGHUP, stays ignored.
    """
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python's signature
    for process in _descendants():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGTERM)
    raise KeyboardInterrupt


def _descendants() -> Iterator[int]:
    """Processes that this one started, directly or not, and that share its process group, as Ctrl-C means it.

    A program that was given a group or a session of its own is ended by the code that started it.
    """
    children: dict[int, list[int]] = {}
    group = os.getpgrp()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            # Behind the name of the program, which may hold anything: state, parent, group.
            _, parent, its_group = path.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group:
                children.setdefault(int(parent), []).append(int(path.parent.name))
    found = [os.getpid()]
    for process in found:
        found += children.get(process, [])
    yield from found[1:]
