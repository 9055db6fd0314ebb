"""Files and directories on disk: written whole, locked, hashed, claimed. Each of these is done here only."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ASIDE = ".new"
"""How names of unfinished files end; they begin with a dot."""

# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────


def write(path: Path, content: str | bytes, *, mode: int | None = None, durable: bool = False) -> None:
    """Replace a file in one step: a reader sees the old content or the new one, never a part.

    `mode` is the file's mode, whatever the umask; None: 0666 less the umask. `durable` brings the content to
    the disk, then the name: a crash of the machine may otherwise keep the name and lose the content. Missing
    folders are made.
    """
    with aside(path) as new:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            write_all(descriptor, content.encode() if isinstance(content, str) else content)
            if mode is not None:
                os.fchmod(descriptor, mode)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_record(path: Path, content: object, *, indent: int | None = 1) -> None:
    """Write a file for later runs, durably: a text, or data as JSON. A directory in its place is removed."""
    import json  # not needed to start

    if path.is_dir():
        shutil.rmtree(path)
    text = content if isinstance(content, str) else json.dumps(content, indent=indent) + "\n"
    write(path, text, durable=True)


def write_all(descriptor: int, content: bytes) -> None:
    """Write to a file that is open: a disk that fills up takes a part of a write, and refuses the next."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def update(path: Path, content: str | bytes, *, mode: int | None = None) -> bool:
    """Write a file unless it has this content (and this mode) already; whether it was written.

    A symbolic link is replaced, whatever it leads to.
    """
    data = content.encode() if isinstance(content, str) else content
    if is_file(path, mode) and path.read_bytes() == data:
        return False
    write(path, data, mode=mode)
    return True


def is_file(path: Path, mode: int | None = None) -> bool:
    """Whether a path is a file, not a link to one, and has this mode; None: any."""
    return path.is_file() and not path.is_symlink() and (mode is None or path.stat().st_mode & 0o777 == mode)


def copy(source: Path, path: Path, *, mode: int | None = None) -> None:
    """Put a copy of a file in its place in one step. `mode` is as in `write`."""
    with aside(path) as new:
        shutil.copyfile(source, new)
        if mode is not None:
            new.chmod(mode)


def link(source: Path, path: Path) -> None:
    """Give a file a second name in one step, or put a copy there where there can be no hard link."""
    with aside(path) as new:
        try:
            os.link(source, new)
        except OSError:
            shutil.copyfile(source, new)


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A free name in the same folder: the file that gets it here takes the place of `path` at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{os.urandom(4).hex()}{ASIDE}")
    try:
        yield new
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


# ── locks ───────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def locked(path: Path, *, shared: bool = False, busy: Callable[[], None] | None = None) -> Iterator[int]:
    """Hold the lock of a file, which is made where it is missing, or of a directory; yields its descriptor.

    `shared`: others may hold it at the same time, if they share it too. `busy` is called before this waits
    for another holder, and may raise instead.
    """
    descriptor = lock(path, shared=shared, busy=busy)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def lock(
    path: Path, *, shared: bool = False, busy: Callable[[], None] | None = None, existing: bool = False
) -> int:
    """As `locked`; the lock is held until the descriptor is closed, which a process does at its end.

    `existing`: make no file, and follow no symbolic link.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    access = os.O_RDONLY if existing or path.is_dir() else os.O_RDWR | os.O_CREAT
    while True:
        descriptor = os.open(path, access | os.O_CLOEXEC | (os.O_NOFOLLOW if existing else 0), 0o666)
        try:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if busy:
                    busy()
                fcntl.flock(descriptor, kind)
            # Its last holder may have removed the file, or replaced it.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=not existing)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Lock an existing file or device; returns an open descriptor, or None if another process holds the lock.

    Raises:
        OSError: it cannot be opened for reading.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


# ── hashes and claims ───────────────────────────────────────────────────────────────────────────────────────


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    import hashlib  # not needed to start

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ForeignDirectory(Exception):  # noqa: N818 - reads as what is wrong
    """A directory to be claimed is a file, or holds something and has no mark."""


def claim(directory: Path, mark: str, text: str) -> str:
    """Make sure that a directory is ours: it has a file named `mark`, or is empty or missing and gets one.

    Returns:
        The content of the mark: `text`, where it was just made. Another content is for the caller to judge.

    Raises:
        ForeignDirectory: nothing was written.
    """
    path = directory / mark
    if not path.is_file():
        if directory.exists() and not (directory.is_dir() and _is_free(directory)):
            # Another process may have claimed it meanwhile, and begun to fill it.
            if not path.is_file():
                raise ForeignDirectory(directory)
        else:
            write(path, text)
    return path.read_text("utf-8", errors="replace")


def _is_free(directory: Path) -> bool:
    """Whether a directory is empty; a mark that is about to be written does not count."""
    return all(entry.name.startswith(".") and entry.name.endswith(ASIDE) for entry in directory.iterdir())
