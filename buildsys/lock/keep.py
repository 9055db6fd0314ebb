"""A lock that keeps itself: for a site whose repository is made here, so that nothing can be missed."""

from __future__ import annotations

from pathlib import Path

from buildsys.diagnostics import Refused
from buildsys.image import ImageSet
from buildsys.lock.file import Lock, read, text
from buildsys.lock.solve import request_hash, solve


def kept_lock(image_set: ImageSet, path: Path) -> Lock:
    """The lock at `path` when it still answers what this set asks of its repositories; else a new one, written there.

    Raises:
        Refused: the set cannot be solved; what was at `path` stays.
    """
    if path.is_file():
        try:
            lock = read(path, image_set=image_set.name, site=image_set.site.name)
        except Refused:
            # Nobody reviews this file; one that cannot be read is made again.
            lock = None
        if lock is not None and lock.request == request_hash(image_set):
            return lock
    lock = solve(image_set)
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text(lock), "utf-8")
    aside.replace(path)
    return lock
