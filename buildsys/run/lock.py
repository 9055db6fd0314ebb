"""One run a plan directory: who tries its images or writes it anew takes the same turn as who builds them."""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path


@contextmanager
def turn(directory: Path, doing: str, say: Callable[[str], None]) -> Iterator[None]:
    """Have the plan's directory for oneself; waits for who has it, and says for whom."""
    state = directory / "state"
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {(state / 'lock').read_text('utf-8').strip()}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        lock.write(f"process {os.getpid()} of {_user()}, {doing} since {now}\n")
        lock.flush()
        yield


@contextmanager
def images_stay(run_root: str) -> Iterator[None]:
    """As a build does: nobody removes images of the store meanwhile.

    `run_root` is where the store keeps what lives only until the next start of the host.
    """
    with Path(run_root, "buildsys.lock").open("a", encoding="utf-8") as shared:
        fcntl.flock(shared, fcntl.LOCK_SH)
        yield


def plan_id(directory: Path) -> str:
    """The plan's part of the names of its containers; a run of the plan has made it.

    Raises:
        OSError: there was no run.
    """
    return (directory / "state" / "id").read_text("utf-8").split()[0]


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
