"""A lock as the repositories have the packages now, compared with the lock before it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from buildsys.image import ImageSet
from buildsys.lock.check import differences
from buildsys.lock.contents import LockScope, last, make_lock, still_good, unmoved
from buildsys.lock.diff import Move, moves
from buildsys.lock.lockfile import Lock, read, write
from buildsys.lock.pool_files import Places


@dataclass(frozen=True, slots=True)
class NewLock:
    """A new lock and the one before it. Nothing is written yet."""

    path: Path
    old: Lock | None
    new: Lock

    def moves(self) -> list[Move]:
        """Return what moved from the old lock to the new one; without an old lock, everything did."""
        return moves(self.old, self.new)

    def write(self) -> None:
        """Replace the lock file, if anything changed."""
        if self.new != self.old:
            write(self.new, self.path)


def last_lock(image_set: ImageSet, path: Path, *, is_automatic: bool) -> Lock | None:
    """Return the lock that was written last, whether it still fits or not; None if there is none.

    `is_automatic`: the lock of stand-in packages, which is renewed instead of reported when it is unreadable.

    Raises:
        Refused: it cannot be read.
    """
    if is_automatic:
        return last(image_set, path)
    return read(path, image_set=image_set.name, site=image_set.site.name) if path.exists() else None


def solve(
    image_set: ImageSet,
    path: Path,
    places: Places,
    *,
    moving: Collection[str] | None,
    store: str,
    is_automatic: bool,
    look_first: bool,
) -> NewLock:
    """Ask the repositories for the packages of the set as they are now.

    `moving` are the images whose packages may differ from the old lock; None: all images. `look_first`: if no
    repository changed, answer with the old lock, without the solver.

    Raises:
        Refused: the set cannot be solved.
    """
    old = last_lock(image_set, path, is_automatic=is_automatic)
    if is_automatic:
        new = still_good(image_set, path) or make_lock(image_set, places, LockScope(), store=store)
    elif (
        old
        and look_first
        and not differences(image_set, old)
        and unmoved(image_set, old, places, store=store)
    ):
        new = old
    else:
        new = make_lock(image_set, places, LockScope(old, moving), store=store)
    return NewLock(path, old, new)
