"""The folder for temporary files of this process, and the removal of folders that killed processes left."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from buildsys.files import lock

PLACES = ("/var/tmp", "/tmp")  # noqa: S108 - what is made in them is ours alone
"""Where temporary files go without TMPDIR. The first holds large files too; the second is often in memory."""
PREFIX = "buildsys-"


class Temporary:
    """A folder that TMPDIR names while the process lives, for its temporary files and those of its programs.

    The process holds a lock on the folder. A later process removes folders without a lock: their process was
    killed.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock = -1
        self._before: str | None = None

    def begin(self) -> None:
        """Make the folder and set TMPDIR; if no folder can be made, TMPDIR stays as it is."""
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
        """Remove the folder and restore TMPDIR: this process ends, or becomes another program."""
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
            # Another process may have removed it before it was locked.
            if lock is not None:
                self._path, self._lock = path, lock


def _forget() -> None:
    """Make `tempfile` find its folder again: it keeps the first one, which may be gone."""
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
            # Our names have a process number after the prefix, and are never links.
            number = entry.name.removeprefix(PREFIX).partition("-")[0]
            is_ours = number.isdigit() and entry.name != number and entry.is_dir(follow_symlinks=False)
            # Its process may remove it now.
            with suppress(FileNotFoundError):
                if is_ours and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                    yield place / entry.name


def _locked(path: Path, *, wait: bool) -> int | None:
    """A descriptor that holds the lock of a folder; None: another process holds it, or the folder is gone."""
    with suppress(OSError):
        return lock(path, busy=None if wait else _give_up, existing=True)
    return None


def _give_up() -> None:
    raise BlockingIOError


TEMPORARY = Temporary()
"""The folder of this process; the command line begins it."""
