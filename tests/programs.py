"""Programs that a test starts and interrupts: none outlives its test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 20.0
"""Seconds that a program has to tidy up."""


@contextmanager
def started(argv: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A program in a session of its own; what is left of it when the block ends is ended."""
    run = subprocess.Popen(argv, start_new_session=True, text=True, **options)
    try:
        yield run
    finally:
        end(run)


def end(run: subprocess.Popen[str]) -> None:
    """End a program that is still alive, which leads a session: first by word, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if run.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.communicate(timeout=PATIENCE)
