"""How verbs that plan take locks: which one, and from which pool."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildsys import disk
from buildsys.cli.counting import counted
from buildsys.cli.ending import REFUSED, Ended, say
from buildsys.cli.stores import chosen_store

if TYPE_CHECKING:
    from buildsys.cli.options import Verb
    from buildsys.image import ImageSet
    from buildsys.lock.lockfile import Lock
    from buildsys.lock.pool_files import Places

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
        from buildsys.lock.pool_files import Places

        return Places.below(build_directory, self.pool)

    def applied(self, image_set: ImageSet, build_directory: Path, kept: Path | None) -> ImageSet:
        """A resolved set, locked if it has a lock; what that names is fetched where it is not in the pool.

        `kept` is where the lock of a repository made here lies: that one is known whole, so its lock keeps
        itself, and is never committed. One that somebody wrote into the set's `locks` is taken instead.

        Raises:
            Refused: the lock cannot be used, or what it names cannot be had.
        """
        from buildsys.lock.apply import apply_lock
        from buildsys.lock.pool import fill
        from buildsys.lock.pool_files import always_locked, used_lock

        site = image_set.site
        if self.unlocked and always_locked(image_set):
            raise Ended(REFUSED, f"the site {site.name} installs by {site.installer}, which needs a lock")
        path = self.file or used_lock(image_set, build_directory, kept)
        lock = None if self.unlocked else self.lock(image_set, build_directory, kept)
        named = str(path) if lock else "--unlocked" if self.unlocked else "none"
        image_set = replace(image_set, origin=replace(image_set.origin, lock=named))
        if lock is not None:
            if path != kept:
                places = self.places(build_directory)
                image_set = fill(image_set, lock, places, store=chosen_store(), say=say)
            return apply_lock(image_set, lock)
        if site.host_repositories or site.repositories:
            return replace(image_set, site=replace(site, notes=(*site.notes, UNLOCKED)))
        return image_set

    def lock(self, image_set: ImageSet, build_directory: Path, kept: Path | None) -> Lock | None:
        """The lock that a plan of this set is made with, renewed if it keeps itself; None: there is none.

        Raises:
            Refused: it cannot be used, or not be made.
        """
        from buildsys.lock.check import require_answer
        from buildsys.lock.lockfile import read
        from buildsys.lock.make import kept_lock
        from buildsys.lock.pool_files import always_locked, used_lock

        own = used_lock(image_set, build_directory, kept)
        path = self.file or own
        if path == kept:
            return kept_lock(image_set, path, self.places(build_directory), store=chosen_store())
        if path == own and always_locked(image_set) and own.is_relative_to(build_directory):
            self._renew(image_set, build_directory, own)
        if not self.file and not path.exists():
            return None
        lock = read(path, image_set=image_set.name, site=image_set.site.name)
        require_answer(image_set, lock, str(path))
        return lock

    def _renew(self, image_set: ImageSet, build_directory: Path, path: Path) -> None:
        """Make sure that a lock nobody reviews answers the set: what is in it stays, what is new is added."""
        from buildsys.lock.make import answers, renew

        if not answers(image_set, path):
            say(f"{path}: asking what the site {image_set.site.name} has now")
            lock = renew(image_set, path, self.places(build_directory), store=chosen_store())
            say(f"{path}: {counted(len(lock.images), 'image')}, {counted(len(lock.packages()), 'package')}")


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
        if pool is not None:
            disk.writes(pool)
        return verb(locking=Locking(file, unlocked, pool), **others)

    return taking
