"""Container stores of the tests' own: the user's is never touched, and nothing is left mounted."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


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
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((mount for mount in mounts if mount.startswith(f"{place}/")), reverse=True):
            subprocess.run(["umount", mount], check=False)
        shutil.rmtree(place, ignore_errors=True)
