"""The exclusive lock on a plan directory, for build, test, publish and the plan writer; and the store's."""

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
    """Hold the plan directory's lock, for `doing`; waits for another holder, and reports it by `say`."""
    lock = directory / "state" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock, busy=lambda: say(f"waiting for {lock.read_text('utf-8').strip()}")):
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        lock.write_text(f"process {os.getpid()} of {_user()}, {doing} since {now}\n", "utf-8")
        yield


@contextmanager
def images_stay(run_root: str) -> Iterator[None]:
    """Hold the store's shared lock, as a build does: `buildsys prune` removes no images meanwhile.

    `run_root` is the store's folder for data that lives until the next start of the host.
    """
    with locked(Path(run_root, "buildsys.lock"), shared=True):
        yield


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
