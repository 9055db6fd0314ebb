"""One run a plan directory: who tries its images or writes it anew takes the same turn as who builds them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from buildsys.files import locked


@contextmanager
def turn(directory: Path, doing: str, say: Callable[[str], None]) -> Iterator[None]:
    """Have the plan's directory for oneself; waits for who has it, and says for whom."""
    lock = directory / "state" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock, busy=lambda: say(f"waiting for {lock.read_text('utf-8').strip()}")):
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        lock.write_text(f"process {os.getpid()} of {_user()}, {doing} since {now}\n", "utf-8")
        yield


@contextmanager
def images_stay(run_root: str) -> Iterator[None]:
    """As a build does: nobody removes images of the store meanwhile.

    `run_root` is where the store keeps what lives only until the next start of the host.
    """
    with locked(Path(run_root, "buildsys.lock"), shared=True):
        yield


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
