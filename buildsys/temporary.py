"""This process's folder of temporary files, and the removal of those that killed processes left."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from buildsys.files import lock

PLACES = ("/var/tmp", "/tmp")  # noqa: S108 - what is made in them is ours alone
"""Where temporary files go without TMPDIR. The first holds large ones too: the other is often memory."""
PREFIX = "buildsys-"


class Temporary:
    """A folder that TMPDIR names while the process lives: what it and its programs put aside goes with it.

    The folder is locked while its process lives. So whoever makes one can remove those of processes that were
    killed, whatever was in them.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock = -1
        self._before: str | None = None

    def begin(self) -> None:
        """Make the folder and let TMPDIR name it; where none can be made, TMPDIR stays as it is."""
        before = os.environ.get("TMPDIR")
        for place in (before,) if before else PLACES:
            try:
                self._make(Path(place))
            except OSError:
                continue
            self._before = before
            os.environ["TMPDIR"] = str(self._path)
            _forget()
            return

    def end(self) -> None:
        """Remove the folder and let TMPDIR be as it was: this process ends, or becomes another program."""
        if self._path is None:
            return
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._lock)
        if self._before is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = self._before
        self._path = None
        _forget()

    def _make(self, place: Path) -> None:
        sweep(place)
        while self._path is None:
            path = place / f"{PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
            path.mkdir(mode=0o700)
            lock = _locked(path, wait=True)
            # Somebody may have swept it before it was locked.
            if lock is not None:
                self._path, self._lock = path, lock


def _forget() -> None:
    """Let Python look again: it keeps the folder that it found first, and that one may be gone."""
    if module := sys.modules.get("tempfile"):
        vars(module)["tempdir"] = None


def sweep(place: Path) -> None:
    """Remove the folders of killed processes of this user."""
    for path in _ours(place):
        lock = _locked(path, wait=False)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _ours(place: Path) -> Iterable[Path]:
    with os.scandir(place) as entries:
        for entry in entries:
            # A name of ours has the number of a process behind the prefix. A link is none of ours.
            number = entry.name.removeprefix(PREFIX).partition("-")[0]
            is_ours = number.isdigit() and entry.name != number and entry.is_dir(follow_symlinks=False)
            # Its process may end now.
            with suppress(FileNotFoundError):
                if is_ours and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                    yield place / entry.name


def _locked(path: Path, *, wait: bool) -> int | None:
    """A descriptor that has the folder to itself; None: somebody else has it, or it is gone."""
    with suppress(OSError):
        return lock(path, busy=None if wait else _give_up, existing=True)
    return None


def _give_up() -> None:
    raise BlockingIOError


TEMPORARY = Temporary()
"""Of this process: begun by the command line."""
