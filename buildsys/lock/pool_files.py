"""Where what is fetched is kept, below the build directory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from buildsys import files
from buildsys.image import ImageSet, LockedPackage
from buildsys.logins import login_for, parted
from buildsys.packages import manager_of


@dataclass(frozen=True, slots=True)
class Places:
    """Folders shared by all sets and plans of a build directory."""

    pool: Path
    """Packages, keys and downloads by their SHA-256: verified, and never changed."""
    metadata: Path
    """What repositories held when they were last asked."""
    bases: Path
    """What base images hold, by digest."""

    @classmethod
    def below(cls, build_directory: Path, pool: Path | None = None) -> Places:
        """The usual places of a build directory; the pool may be elsewhere."""
        return cls(pool or build_directory / "pool", build_directory / "metadata", build_directory / "bases")

    @property
    def packages(self) -> Path:
        """The pool's packages."""
        return self.pool / "packages"

    def package(self, package: LockedPackage) -> Path:
        """Where a package is, or will be."""
        return self.packages / package.pooled

    def file(self, sha256: str) -> Path:
        """Where a key or a download is, or will be."""
        return self.pool / "files" / sha256


def lock_path(image_set: ImageSet, build_directory: Path) -> Path:
    """Where the lock of a set at its site lies: with the recipes.

    A site that cannot do without has one below the build directory, until there is one with the recipes.
    """
    name = f"{image_set.site.name}.yaml"
    written = Path(image_set.directory) / "locks" / name
    if not always_locked(image_set) or written.exists():
        return written
    return build_directory / "locks" / image_set.name / name


def used_lock(image_set: ImageSet, build_directory: Path, kept: Path | None) -> Path:
    """The lock that a plan takes where no other file is named; it need not be there.

    `kept` is where the lock of a repository made here lies: it keeps itself, until there is one with the
    recipes.
    """
    own = lock_path(image_set, build_directory)
    return kept if kept and not own.exists() else own


def always_locked(image_set: ImageSet) -> bool:
    """Whether a set cannot be built without a lock: its package manager installs only what a lock names."""
    return manager_of(image_set.site).always_locked


# ── fetching ────────────────────────────────────────────────────────────────────────────────────────────────


ATTEMPTS = 4
TRANSIENT = {5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92}
"""Exit statuses of curl that are the network's: names, connections, answers cut short."""
BUSY = {"408", "429", "500", "502", "503", "504"}
GONE = {"404", "410"}
NO_SUCH_FILE, NO_RANGES = 37, 33


class Unfetched(Exception):  # noqa: N818 - reads as what happened
    """A file cannot be had. `gone`: the server is there, and says that it does not have it."""

    def __init__(self, message: str, *, gone: bool = False) -> None:
        self.gone = gone
        super().__init__(message)


def fetch(url: str, path: Path, *, size: int = 0) -> None:
    """Fetch a file to `path`. One of known `size` that is there in part is gone on with; others begin anew.

    Raises:
        Unfetched: it is not there, or does not come after several attempts.
    """
    pause = float(os.environ.get("BS_PAUSE") or 2)
    for attempt in range(1, ATTEMPTS + 1):
        begun = path.stat().st_size if size and path.exists() else 0
        if size and begun == size:
            return
        if not 0 < begun < size:
            path.unlink(missing_ok=True)
            begun = 0
        status, code, message = _curl(url, path, begun)
        if status == 0:
            return
        if code in GONE or status == NO_SUCH_FILE:
            raise Unfetched(message, gone=True)
        if status == NO_RANGES:
            path.unlink(missing_ok=True)
        elif not (status in TRANSIENT or code in BUSY) or attempt == ATTEMPTS:
            raise Unfetched(message)
        time.sleep(pause)
        pause *= 3


def fetched_sum(url: str, places: Places) -> str:
    """SHA-256, in hex, of the file at an address; the file itself is not kept.

    Raises:
        Unfetched: see `fetch`.
    """
    file = places.pool / "part" / f"look-{hashlib.sha256(url.encode()).hexdigest()}"
    file.parent.mkdir(parents=True, exist_ok=True)
    fetch(url, file)
    try:
        return files.sha256(file)
    finally:
        file.unlink()


def cause(url: str) -> str:
    """What stands in the way of a file, asked once; nothing, when it is there."""
    with tempfile.NamedTemporaryFile() as aside:
        status, _, message = _curl(url, Path(aside.name), 0)
    return message if status else ""


def _curl(url: str, path: Path, begun: int) -> tuple[int, str, str]:
    url, given_in_url = parted(url)
    login = login_for(url) if given_in_url is None else given_in_url.plain
    command = [
        "curl", "--fail", "--location", "--silent", "--show-error", "--globoff", "--connect-timeout", "20",
        "--speed-limit", "1", "--speed-time", "60", "--write-out", "%{http_code}", "--output", str(path),
        *(["--continue-at", str(begun)] if begun else []), *(["--config", "-"] if login else []), "--", url,
    ]  # fmt: skip
    # Who we are goes through a descriptor: anybody may read a command line.
    given = f"user = {json.dumps(':'.join(login), ensure_ascii=False)}\n" if login else ""
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, errors="surrogateescape", check=False
    )
    said = done.stderr.strip().splitlines()[-1:] or [f"curl ends with status {done.returncode}"]
    return done.returncode, done.stdout.strip(), said[0].partition(") ")[2] or said[0]


# ── sound files ─────────────────────────────────────────────────────────────────────────────────────────────


SEALED = 1_000_000_000
"""The time, in seconds since 1970, of a file that was read whole and found right. Writing to it ends that."""


def is_sound(path: Path, sha256: str, size: int = 0) -> bool:
    """Whether a file is there with this checksum; one of another `size`, in bytes, is not read."""
    try:
        status = path.stat()
        if size and status.st_size != size:
            return False
        if status.st_mtime != SEALED:
            if files.sha256(path) != sha256:
                return False
            seal(path)
    except OSError:
        return False
    return True


def seal(path: Path) -> None:
    """Mark a file whose checksum is known to be right."""
    # In a pool of somebody else's it is read each time.
    with contextlib.suppress(OSError):
        os.utime(path, (SEALED, SEALED))
