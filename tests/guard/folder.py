"""The one folder that everything temporary of a run of tests lies in."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.guard.machine import mounted_below
from tests.guard.processes import MARK

PLACE = Path("/var/tmp")
"""On a disk, which container stores need, and short: podman takes no run root of more than 50 characters."""
PREFIX = "bs-"
KEPT = 2
"""Folders of runs that failed that stay for whoever looks into them."""


class Folder:
    """Made for this run, and locked while it goes on."""

    def __init__(self) -> None:
        # A run within a run stays in the folder of the outer one.
        place = Path(tempfile.gettempdir()) if MARK in os.environ else PLACE
        _sweep(place)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        self.temporary.mkdir()
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        os.environ.update({MARK: str(self.path), "TMPDIR": str(self.temporary)})
        tempfile.tempdir = None

    @property
    def temporary(self) -> Path:
        """TMPDIR of the run."""
        return self.path / "t"

    @property
    def tests(self) -> Path:
        """pytest's own, with a folder for each test."""
        return self.path / "p"

    def remove(self) -> None:
        """Remove it with all in it; with a mount in it, it stays."""
        _remove(self.path)


def _sweep(place: Path) -> None:
    """Remove what runs left that failed or were killed, but for the newest."""
    ended = sorted((path for path in place.glob(f"{PREFIX}*/lock") if _is_free(path)), key=_age)
    for lock in ended[KEPT:]:
        _remove(lock.parent)


def _age(path: Path) -> float:
    return -path.lstat().st_mtime


def _is_free(lock: Path) -> bool:
    """Whether it is of ours, and nobody's any more."""
    try:
        if lock.parent.lstat().st_uid != os.geteuid():
            return False
        file = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    with contextlib.closing(os.fdopen(file)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _remove(path: Path) -> None:
    # Removing goes through a mount, into what is not ours.
    if mounted_below(path):
        return
    if os.geteuid() != 0:
        subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=False, stderr=subprocess.DEVNULL)
    try:
        shutil.rmtree(path)
    except OSError as error:
        sys.stderr.write(f"{path} could not be removed: {error}\n")
