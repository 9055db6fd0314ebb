"""Container stores of the tests' own: the user's is never touched, and nothing is left mounted."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.guard.machine import mounted_below

PATIENCE = 10.0
"""Seconds that whoever still works in a store has to end."""


@dataclass(frozen=True)
class Store:
    """A container store below a folder."""

    place: Path

    @property
    def root(self) -> Path:
        return self.place / "root"

    @property
    def runroot(self) -> Path:
        return self.place / "run"

    @property
    def options(self) -> str:
        """Options of buildah, podman and of a plan's BS_STORE that choose it."""
        return f"--root {self.root} --runroot {self.runroot}"

    def buildah(self, *arguments: str) -> str:
        """Run buildah on it; what it printed."""
        command = ["buildah", *self.options.split(), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def names(self) -> dict[str, str]:
        """Id of every named image, by name."""
        rows = self.buildah("images", "--no-trunc", "--format", "{{.Name}}:{{.Tag}} {{.ID}}").splitlines()
        return dict(row.split() for row in rows)


@contextmanager
def store(place: Path) -> Iterator[Store]:
    """An empty store below `place`, unmounted and removed at the end."""
    made = Store(place)
    try:
        yield made
    finally:
        unmount(place)
        shutil.rmtree(place, ignore_errors=True)


def keep(place: Path) -> Callable[[], None]:
    """Copy a folder and the container stores in it; the function returned puts the copy back.

    It goes back to the same place, since plans and stores hold paths. Owners, times and attributes stay.
    """
    unmount(place)
    copy = place.with_name(f"{place.name}.kept")
    subprocess.run(["cp", "-a", place, copy], check=True)

    def restore() -> None:
        unmount(place)
        shutil.rmtree(place)
        subprocess.run(["cp", "-a", copy, place], check=True)

    return restore


def unmount(place: Path) -> None:
    """Unmount all there is below a folder, so that it can be removed.

    Raises:
        AssertionError: somebody works there all the time. The mounts are gone from the folder all the same:
            who removes a folder removes what is mounted in it.
    """
    place = place.resolve()
    end = time.monotonic() + PATIENCE
    while _unmount(place):
        if time.monotonic() > end:
            busy = _unmount(place, "--lazy")
            raise AssertionError(f"still in use at the end of a test: {', '.join(map(str, busy))}")
        time.sleep(0.1)


def _unmount(place: Path, *options: str) -> list[Path]:
    """Where an attempt to unmount found the mount in use, or found it at all with `--lazy`."""
    return [
        point
        for point in mounted_below(place)
        if subprocess.run(["umount", *options, point], check=False, capture_output=True).returncode or options
    ]
