"""The folders of fetched files below the build directory; fetching by curl; checks of files in the pool."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from buildsys import files, programs
from buildsys.image import ImageSet, LockedPackage
from buildsys.logins import login_for, parted
from buildsys.packages import manager_of


@dataclass(frozen=True, slots=True)
class Places:
    """Folders shared by all sets and plans of a build directory."""

    pool: Path
    """Packages, keys and downloads by their SHA-256: verified, and never changed."""
    metadata: Path
    """Metadata of repositories, from the last request."""
    bases: Path
    """Package databases and keys of base images, by digest."""

    @classmethod
    def below(cls, build_directory: Path, pool: Path | None = None) -> Places:
        """The folders of a build directory; the pool may be elsewhere."""
        return cls(pool or build_directory / "pool", build_directory / "metadata", build_directory / "bases")

    @property
    def packages(self) -> Path:
        """The pool's packages."""
        return self.pool / "packages"

    def package(self, package: LockedPackage) -> Path:
        """The path of a package, which may not be there yet."""
        return self.packages / package.pooled

    def file(self, sha256: str) -> Path:
        """The path of a key or a download, which may not be there yet."""
        return self.pool / "files" / sha256


def lock_path(image_set: ImageSet, build_directory: Path) -> Path:
    """The path of the lock of a set at its site: in the set's folder.

    Each platform of a set has a lock of its own: host.yaml, host.arm64.yaml. A site that always needs a lock
    has it below the build directory, unless there is one in the set's folder.
    """
    name = ".".join(part for part in (image_set.site.name, image_set.part, "yaml") if part)
    written = Path(image_set.directory) / "locks" / name
    if not always_locked(image_set) or written.exists():
        return written
    return build_directory / "locks" / image_set.name / name


def used_lock(image_set: ImageSet, build_directory: Path, kept: Path | None) -> Path:
    """The lock that a plan uses by default; it may not be there.

    `kept`: the lock of a repository made here, which buildsys renews itself. One in the set's folder comes
    first.
    """
    own = lock_path(image_set, build_directory)
    return kept if kept and not own.exists() else own


def always_locked(image_set: ImageSet) -> bool:
    """Whether a set cannot be built without a lock: its package manager installs only what a lock names."""
    return manager_of(image_set.site).always_locked


# ── fetching ────────────────────────────────────────────────────────────────────────────────────────────────


ATTEMPTS = 4
TRANSIENT = {5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92}
"""Exit statuses of curl for failures of the network: names, connections, incomplete answers."""
BUSY = {"408", "429", "500", "502", "503", "504"}
GONE = {"404", "410"}
NO_SUCH_FILE, NO_RANGES = 37, 33


class Unfetched(Exception):  # noqa: N818 - reads as what happened
    """A file cannot be fetched. `gone`: the server answers that it does not have the file."""

    def __init__(self, message: str, *, gone: bool = False) -> None:
        self.gone = gone
        super().__init__(message)


def fetch(url: str, path: Path, *, size: int = 0) -> None:
    """Fetch a file to `path`. A part of a file of known `size`, in bytes, is resumed; others start again.

    Raises:
        Unfetched: the server does not have it, or several attempts fail.
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
    """Why a file cannot be fetched, after one attempt; empty if it can."""
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
    # The login goes through stdin: every user can read a command line.
    given = f"user = {json.dumps(':'.join(login), ensure_ascii=False)}\n" if login else ""
    done = programs.run(command, given=given, errors="surrogateescape")
    last = done.err.strip().splitlines()[-1:] or [f"curl ends with status {done.status}"]
    return done.status, done.out.strip(), last[0].partition(") ")[2] or last[0]


# ── sound files ─────────────────────────────────────────────────────────────────────────────────────────────


SEALED = 1_000_000_000
"""Modification time, in seconds since 1970, of a file whose checksum was found right; writing changes it."""


def is_sound(path: Path, sha256: str, size: int = 0) -> bool:
    """Whether a file has this checksum; one of another `size`, in bytes, is not read."""
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
    # Files of another user cannot be marked, and are read each time.
    with contextlib.suppress(OSError):
        os.utime(path, (SEALED, SEALED))
