"""What destinations on this file system share: whose a directory is, files in it, the images to go there."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from buildsys import files
from buildsys.diagnostics import Code
from buildsys.publish.built_set import Item
from buildsys.publish.errors import Problem
from buildsys.publish.layers import Packed
from buildsys.publish.manifest import Blob, Form
from buildsys.publish.task import Work

MARK = ".buildsys-publish"
"""Says that a directory is ours to rewrite, of which kind it is, and for which set."""


@contextmanager
def claimed(work: Work) -> Iterator[Path]:
    """The destination's directory, which is one of ours or becomes one; nobody else writes to it meanwhile.

    Raises:
        Problem: it holds something else, or another set (`foreign-directory`); or another run publishes to it
            (`busy-directory`).
    """
    directory = work.outcome.destination.directory
    if directory.exists() and not directory.is_dir():
        raise _foreign(directory)
    directory.mkdir(parents=True, exist_ok=True)

    def busy() -> None:
        raise Problem(Code.BUSY_DIRECTORY, f"another run publishes to {directory}: nothing was written")

    with files.locked(directory, busy=busy):
        _claim(work, directory)
        yield directory
        _let_all_read(directory)


@contextmanager
def readable_by_all() -> Iterator[None]:
    """Let files that are made meanwhile have modes 644 and 755: who serves them is another user."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _let_all_read(directory: Path) -> None:
    """Give what an earlier run made under another umask, or linked from the shelf, the same modes."""
    for place, folders, others in os.walk(directory):
        for name in (".", *folders, *others):
            path = os.path.join(place, name)  # noqa: PTH118 - a path of each file of a tree costs
            mode = os.lstat(path).st_mode
            wanted = 0o755 if stat.S_ISDIR(mode) else 0o644
            if not stat.S_ISLNK(mode) and wanted & ~mode:
                os.chmod(path, wanted)  # noqa: PTH101 - as above


def _claim(work: Work, directory: Path) -> None:
    mine = f"{work.outcome.destination.transport} {work.subject.set}\n"
    try:
        found = files.claim(directory, MARK, mine)
    except files.ForeignDirectory as error:
        raise _foreign(directory) from error
    if found != mine:
        kind, _, name = found.strip().partition(" ")
        message = f"{directory} holds {name}, published as {kind}: nothing was written"
        raise Problem(Code.FOREIGN_DIRECTORY, message, "name another directory")
    for left in (*directory.glob(".part.*"), *directory.glob(f".*{files.ASIDE}")):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def _foreign(directory: Path) -> Problem:
    message = f"{directory} is not empty, and nothing of ours: nothing was written"
    return Problem(Code.FOREIGN_DIRECTORY, message, "name a directory that is empty or missing")


def packed(work: Work, form: Form) -> list[tuple[Item, Packed]]:
    """All images in that form, parents first; images that lose a health check by it are named."""
    with ThreadPoolExecutor(work.wish.uploads) as pool:
        images = list(pool.map(lambda item: work.packed(item, form), work.subject.items))
    found = list(zip(work.subject.items, images, strict=True))
    work.announce(found, "OCI's format")
    return found


def is_there(path: Path, blob: Blob) -> bool:
    """Whether a file of the blob's size is in its place."""
    return path.is_file() and path.stat().st_size == blob.size
