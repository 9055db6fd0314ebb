"""How verbs that plan take locks: which one, and from which pool."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildsys.cli.ending import REFUSED, Ended, say

if TYPE_CHECKING:
    from buildsys.cli.choosing import Verb
    from buildsys.image import ImageSet
    from buildsys.lock.places import Places

UNLOCKED = "unlocked: any repository change rebuilds"


@dataclass(frozen=True, slots=True)
class Locking:
    """Whether the packages of a plan are locked, by which file, and where they are kept."""

    file: Path | None = None
    """None: the set's own lock of the site, if there is one."""
    unlocked: bool = False
    pool: Path | None = None
    """None: below the build directory."""

    def places(self, build_directory: Path) -> Places:
        """Where what is fetched is kept."""
        from buildsys.lock.places import Places

        return Places.below(build_directory, self.pool)

    def applied(self, image_set: ImageSet, build_directory: Path, kept: Path | None) -> ImageSet:
        """A resolved set, locked if it has a lock; what that names is fetched where it is not in the pool.

        `kept` is where the lock of a repository made here lies: that one is known whole, so its lock is kept
        by itself, beside it, and never committed.

        Raises:
            Refused: the lock cannot be used, or what it names cannot be had.
        """
        from buildsys.lock.places import always_locked, lock_path

        site = image_set.site
        path = self.file or kept or lock_path(image_set, build_directory)
        if always_locked(image_set):
            if self.unlocked:
                raise Ended(REFUSED, f"the site {site.name} installs by {site.installer}, which needs a lock")
            if path == lock_path(image_set, build_directory) and path.is_relative_to(build_directory):
                self._renew(image_set, build_directory, path)
        if not self.unlocked and path == kept:
            return self._kept(image_set, build_directory, path)
        if not self.unlocked and (self.file or path.exists()):
            return self._written(image_set, build_directory, path)
        if site.host_repositories or site.repositories:
            return replace(image_set, site=replace(site, notes=(*site.notes, UNLOCKED)))
        return image_set

    def _kept(self, image_set: ImageSet, build_directory: Path, path: Path) -> ImageSet:
        from buildsys.lock.apply import apply_lock
        from buildsys.lock.keep import kept_lock

        lock = kept_lock(image_set, path, self.places(build_directory), store=store())
        return apply_lock(image_set, lock)

    def _renew(self, image_set: ImageSet, build_directory: Path, path: Path) -> None:
        """Make sure that a lock nobody reviews answers the set: what is in it stays, what is new is added."""
        from buildsys.lock.keep import answers, renew

        if not answers(image_set, path):
            say(f"{path}: asking what the site {image_set.site.name} has now")
            lock = renew(image_set, path, self.places(build_directory), store=store())
            say(f"{path}: {len(lock.images)} images, {len(lock.packages())} packages")

    def _written(self, image_set: ImageSet, build_directory: Path, path: Path) -> ImageSet:
        from buildsys.lock.answers import require_answer
        from buildsys.lock.apply import apply_lock
        from buildsys.lock.file import read
        from buildsys.lock.pool import fill

        lock = read(path, image_set=image_set.name, site=image_set.site.name)
        require_answer(image_set, lock, str(path))
        filled = fill(image_set, lock, self.places(build_directory), store=store(), say=say)
        return apply_lock(filled, lock)


def store() -> str:
    """Options of buildah that choose the user's container store."""
    return os.environ.get("BS_STORE", "")


takes_pool = click.option(
    "--pool", metavar="DIR", type=click.Path(path_type=Path), envvar="BS_POOL", show_envvar=True,
    help="Where locked packages are kept; else pool/ below the build directory.",
)  # fmt: skip


def takes_locking(verb: Verb) -> Verb:
    """Give a verb the options about locks, as one `locking`."""

    @click.option(
        "--lock", "file", metavar="FILE", type=click.Path(path_type=Path),
        help="The lock; else SET/locks/SITE.yaml where there is one.",
    )  # fmt: skip
    @click.option(
        "--unlocked", is_flag=True, help="Take what the repositories hold now, whatever a lock says."
    )
    @takes_pool
    @functools.wraps(verb)
    def taking(file: Path | None, pool: Path | None, *, unlocked: bool, **others: Any) -> Any:
        return verb(locking=Locking(file, unlocked, pool), **others)

    return taking
