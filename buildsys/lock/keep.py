"""Locks that keep themselves: where packages are made here, and where a site cannot do without."""

from __future__ import annotations

from pathlib import Path

from buildsys.diagnostics import Refused
from buildsys.image import ImageSet
from buildsys.lock.check import differences
from buildsys.lock.dnf import solver_hash
from buildsys.lock.lockfile import Lock, read, write
from buildsys.lock.make import Wish, make_lock
from buildsys.lock.pool_files import Places


def kept_lock(image_set: ImageSet, path: Path, places: Places, *, store: str = "") -> Lock:
    """The lock at `path` when it still answers what this set asks of its repositories, else a new one.

    Raises:
        Refused: the set cannot be solved; what was at `path` stays.
    """
    if (lock := still_good(image_set, path)) is not None:
        return lock
    lock = make_lock(image_set, places, Wish(), store=store)
    write(lock, path)
    return lock


def still_good(image_set: ImageSet, path: Path) -> Lock | None:
    """The lock at `path`, unless it is missing, damaged, or no longer what the solver would answer."""
    lock = last(image_set, path)
    if lock is None:
        return None
    holds = {item.id: item.checksum for item in image_set.site.repositories}
    held = {name: item.sha256 for name, item in lock.repositories.items()}
    same = lock.solver == solver_hash() and holds == held and not differences(image_set, lock)
    return lock if same else None


def answers(image_set: ImageSet, path: Path) -> bool:
    """Whether there is a lock at `path` that answers the set as it is now."""
    lock = last(image_set, path)
    return lock is not None and not differences(image_set, lock)


def renew(image_set: ImageSet, path: Path, places: Places, *, store: str = "") -> Lock:
    """Write a lock that answers the set: what the one at `path` has stays, what is newly asked for is added.

    Raises:
        Refused: the set cannot be solved; what was at `path` stays.
    """
    old = last(image_set, path)
    lock = make_lock(image_set, places, Wish(old, frozenset() if old else None), store=store)
    write(lock, path)
    return lock


def last(image_set: ImageSet, path: Path) -> Lock | None:
    """The lock that was written to `path` last, whether it still holds or not; None: none can be read."""
    if not path.is_file():
        return None
    try:
        return read(path, image_set=image_set.name, site=image_set.site.name)
    except Refused:
        # Nobody reviews this file; one that cannot be read is made again.
        return None
