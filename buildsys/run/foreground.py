"""Run a plan in a child process while this one draws on the terminal.

The child shares the process group, so what the terminal sends - Ctrl-C, Ctrl-Z, a hang-up - reaches both, and
this process passes on only signals that were sent to it alone. Signals are blocked and taken one by one: none
interrupts a write to the terminal.
"""

from __future__ import annotations

import codecs
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from buildsys import programs
from buildsys.interrupts import ENDINGS
from buildsys.run.make import INTERRUPTED, RunOptions, arguments

TICK = 0.1
"""Seconds between two looks at the record of the run."""


class View(Protocol):
    """What draws a run; a context in which the terminal is its own."""

    def __enter__(self) -> Self:
        """Take the terminal."""

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""

    def text(self, text: str) -> None:
        """Show lines that the run printed."""

    def tick(self) -> None:
        """Look for news, and draw them."""

    def resize(self) -> None:
        """Draw again: the terminal has another size."""

    def interrupt(self) -> None:
        """Show that the run was asked to end."""

    def suspend(self) -> None:
        """Leave the terminal to others."""

    def resume(self) -> None:
        """Draw again after `suspend`."""


def run(directory: Path, goals: Sequence[str], how: RunOptions, view: View, run_id: str) -> int:
    """Run a plan as `make.run` does, shown by `view`; returns its exit status, 130 after a signal.

    `run_id`: what the run writes into its first event, for the view to know it by.
    """
    environment = {**how.environment(os.environ), "BS_RUN": run_id, "BS_SHOW": how.show or "summary"}
    argv = arguments(directory, "run.sh", *goals)
    if shutil.which("setpriv"):
        # If this process is killed, nothing shows the run any more: it ends.
        argv = ["setpriv", "--pdeathsig", "TERM", *argv]
    process, output = programs.start_shown(argv, environment)
    asked = {*ENDINGS, signal.SIGTSTP}
    awaited = {number for number in asked if signal.getsignal(number) is not signal.SIG_IGN}
    awaited |= {signal.SIGCHLD, signal.SIGWINCH}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    interrupted = False
    try:
        with view:
            while (status := process.poll()) is None:
                heard = signal.sigtimedwait(awaited, TICK)
                match heard.si_signo if heard else None:
                    case signal.SIGTSTP:
                        _stop(view)
                    case signal.SIGWINCH:
                        view.resize()
                    case signal.SIGINT | signal.SIGTERM | signal.SIGHUP:
                        interrupted = True
                        view.interrupt()
                        if heard and heard.si_code <= 0:
                            # A process sent it, to this one.
                            process.terminate()
                    case _:
                        pass
                # The record first: a step records its failure, then prints the report.
                view.tick()
                view.text(decoder.decode(_available(output)))
            view.tick()
            view.text(decoder.decode(_available(output), final=True))
    finally:
        os.close(output)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if interrupted:
        return INTERRUPTED
    return status if status >= 0 else 128 - status


def _available(output: int) -> bytes:
    """What the run has printed by now. A process that outlives the run may keep the pipe open."""
    found = b""
    with suppress(BlockingIOError):
        while part := os.read(output, 1 << 16):
            found += part
    return found


def _stop(view: View) -> None:
    """Stop as Ctrl-Z asks for; returns when the process goes on."""
    view.suspend()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})
    view.resume()
