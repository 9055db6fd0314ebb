"""The Python API: take an image set from its recipes to a written plan.

    pipeline = Pipeline(Path("recipes/stable-pike"), site="embedded")
    compiled = pipeline.compile()
    pipeline.write(compiled, Path("build/stable-pike"))

Nothing here prints. Progress goes to a callable, mistakes are raised as `Refused`. A room is imported when a
method needs it, so listing a set loads neither the solver nor the compiler.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from buildsys.diagnostics import (
    NOWHERE,
    Code,
    Diagnostic,
    Refused,
    Spot,
    counted,
    plan_path,
    set_plan_path,
)

if TYPE_CHECKING:
    from buildsys.image import ImageSet
    from buildsys.lock.diff import Move
    from buildsys.lock.lockfile import Lock
    from buildsys.lock.new_lock import NewLock
    from buildsys.lock.pool_files import Places
    from buildsys.plan.compile import Plan
    from buildsys.recipe.library import Library

Progress = Callable[[str], None]
"""Takes one line of text: what is fetched, what is asked of repositories, which process is waited for."""

UNLOCKED = "unlocked: any repository change rebuilds"


def quiet(line: str) -> None:
    """Drop progress."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A resolved set whose stand-in packages exist."""

    library: Library
    """The files that the set was resolved from."""
    image_set: ImageSet
    """Without the images that its site cannot build; they are in `absent`."""
    lock: Path
    """The lock file of the set at its site; it need not exist."""
    automatic: Path | None
    """The lock of the stand-in packages: renewed whenever it no longer fits, never committed."""

    @property
    def is_automatic(self) -> bool:
        """Whether the lock is that of the stand-in packages."""
        return self.lock == self.automatic


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan in memory, and the locked set it was compiled from."""

    image_set: ImageSet
    plan: Plan


@dataclass(frozen=True, slots=True)
class Pipeline:
    """An image set as a caller asks for it, and the way to its plan."""

    directory: Path
    """The folder of the set: it holds set.yaml."""
    site: str | None = None
    """None: the set's default site."""
    overlays: tuple[Path, ...] = ()
    """Files merged over the recipes, in this order."""
    variables: Mapping[str, str] = field(default_factory=dict)
    build_directory: Path = Path("build")
    """Stand-in packages, the pool and what is known of repositories are kept below it."""
    lock_file: Path | None = None
    """None: the set's own lock for the site, if there is one."""
    unlocked: bool = False
    """Take the packages that repositories hold at build time, whatever a lock says."""
    pool: Path | None = None
    """Where locked packages are kept; None: `pool` below the build directory."""
    store: str = ""
    """Options of buildah that choose the container store, for base images that were built on this host."""
    progress: Progress = quiet
    platform: str = ""
    """One of the set's platforms, `linux/arm64`; empty: its first."""
    path_in_plans: str = ""
    """What the plan calls the folder of the set; empty: as it is given."""

    @property
    def name(self) -> str:
        """The set's name, which is its folder's."""
        return self.directory.absolute().name

    @property
    def folder(self) -> str:
        """Name of the plan's folder: the set's, with the architecture for a platform that is not its first.

        Raises:
            Refused: mistakes in the set's files.
        """
        if not self.platform:
            return self.name
        first = next(iter(self.load().set.platforms or ()), "")
        return self.name if self.platform == first else f"{self.name}.{self.platform.partition('/')[2]}"

    @property
    def places(self) -> Places:
        """Where fetched files are kept."""
        from buildsys.lock.pool_files import Places

        return Places.below(self.build_directory, self.pool)

    # ── recipes ─────────────────────────────────────────────────────────────────────────────────────────────

    def load(self) -> Library:
        """Read the set's files and the overlays.

        Raises:
            Refused: mistakes in them.
        """
        from buildsys.recipe.library import load_set

        set_plan_path(self.directory, self.path_in_plans or str(self.directory))
        return load_set(self.directory, self.overlays)

    def resolve(self, library: Library | None = None) -> ImageSet:
        """Resolve the set, to look at it: no stand-in package is made, nothing is locked.

        Raises:
            Refused: mistakes in its files, or in what was asked for.
        """
        return self._resolve(library or self.load(), None)

    def check_epoch(self, library: Library, image_set: ImageSet) -> None:
        """Check that the set's epoch is in the past: a step's new files are found by being newer than it.

        Neither resolving nor compiling reads a clock, so this is a step of its own.

        Raises:
            Refused: the epoch is later than the clock of this machine (`late-epoch`).
        """
        now = int(time.time())
        if image_set.epoch <= now:
            return
        site = library.sites[image_set.site.name].written
        written = site if "epoch" in site.data else library.written
        late, clock = (datetime.fromtimestamp(seconds, UTC) for seconds in (image_set.epoch, now))
        message = (
            f"the epoch is {late:%Y-%m-%d %H:%M}, the clock of this machine shows {clock:%Y-%m-%d %H:%M}"
        )
        hint = "write a time that is past, or set the clock"
        raise Refused([Diagnostic(written.spot("epoch"), Code.LATE_EPOCH, message, hint)])

    def _resolve(self, library: Library, stand_ins: Path | None) -> ImageSet:
        from buildsys.logins import offer
        from buildsys.resolve import resolve

        image_set = resolve(
            library,
            site=self.site,
            variables=dict(self.variables),
            stand_ins=stand_ins,
            platform=self.platform,
        )
        offer(image_set.logins())
        return image_set

    # ── stand-in packages and locks ─────────────────────────────────────────────────────────────────────────

    def prepare(self) -> Prepared:
        """Resolve the set, and make its stand-in packages where the site wants them.

        Raises:
            Refused: mistakes in its files, or in what was asked for; the stand-ins cannot be made
                (`missing-tool`, `stand-ins-failed`).
        """
        from buildsys.lock.pool_files import used_lock
        from buildsys.lock.requests import buildable
        from buildsys.resolve.site_sources import choose
        from buildsys.standins.repository import LOCK

        library = self.load()
        data_file = choose(library, self.site).written.data.get("stand-ins")
        output = automatic = None
        if data_file is not None:
            output = self.build_directory / "standins" / self.name
            automatic = output / LOCK
            if not output.is_dir():
                # Report mistakes in recipes before the minute that the stand-ins take.
                self._resolve(library, None)
            _make_stand_ins(self.directory / data_file, output)
        image_set = buildable(self._resolve(library, output))
        path = self.lock_file or used_lock(image_set, self.build_directory, automatic)
        return Prepared(library, image_set, path, automatic)

    def default_lock(self, prepared: Prepared) -> Path:
        """The lock file that is used where no other is named."""
        from buildsys.lock.pool_files import used_lock

        return used_lock(prepared.image_set, self.build_directory, prepared.automatic)

    def last_lock(self, prepared: Prepared) -> Lock | None:
        """The lock as it was written last, whether it still fits or not; None: there is none.

        Raises:
            Refused: it cannot be read.
        """
        from buildsys.lock.new_lock import last_lock

        return last_lock(prepared.image_set, prepared.lock, is_automatic=prepared.is_automatic)

    def present_lock(self, image_set: ImageSet) -> Lock | None:
        """The lock of a resolved set as it was written last, whether it fits or not; None: there is none.

        Nothing is made, solved or fetched.

        Raises:
            Refused: it cannot be read.
        """
        from buildsys.lock.new_lock import last_lock
        from buildsys.lock.pool_files import used_lock
        from buildsys.standins.repository import LOCK

        kept = self.build_directory / "standins" / self.name / LOCK if image_set.site.stand_ins else None
        path = self.lock_file or used_lock(image_set, self.build_directory, kept)
        return last_lock(image_set, path, is_automatic=path == kept)

    def lock(self, prepared: Prepared) -> Lock | None:
        """The lock to compile with; None: there is none. Renew it where no person reviews it.

        Raises:
            Refused: it cannot be used, or not be made.
        """
        from buildsys.lock.check import require_answer
        from buildsys.lock.contents import kept_lock
        from buildsys.lock.lockfile import read

        image_set, path = prepared.image_set, prepared.lock
        if prepared.is_automatic:
            return kept_lock(image_set, path, self.places, store=self.store)
        self._renew(prepared)
        if not self.lock_file and not path.exists():
            return None
        lock = read(path, image_set=image_set.name, site=image_set.site.name)
        require_answer(image_set, lock, str(path))
        return lock

    def locked(self, prepared: Prepared) -> ImageSet:
        """The set with exact packages, if it has a lock; what that names is fetched into the pool.

        Raises:
            Refused: the lock cannot be used, or files that it names cannot be fetched.
        """
        from buildsys.lock.apply import apply_lock
        from buildsys.lock.pool import fill
        from buildsys.lock.pool_files import always_locked

        image_set, site = prepared.image_set, prepared.image_set.site
        if self.unlocked and always_locked(image_set):
            message = f"the site {site.name} installs by {site.installer}, which needs a lock"
            raise Refused([Diagnostic(NOWHERE, Code.NO_LOCK, message, "leave --unlocked out")])
        lock = None if self.unlocked else self.lock(prepared)
        named = plan_path(str(prepared.lock)) if lock else "--unlocked" if self.unlocked else "none"
        image_set = replace(image_set, origin=replace(image_set.origin, lock=named))
        if lock is not None:
            if not prepared.is_automatic:
                image_set = fill(image_set, lock, self.places, store=self.store, say=self.progress)
            return apply_lock(image_set, lock)
        if site.host_repositories or site.repositories:
            return replace(image_set, site=replace(site, notes=(*site.notes, UNLOCKED)))
        return image_set

    def new_lock(
        self, prepared: Prepared, moving: Collection[str] | None = None, *, look_first: bool = False
    ) -> NewLock:
        """Ask the repositories for the packages of the set as they are now.

        `moving` are the images whose packages may be others than in the old lock; None: all images.
        `look_first`: when nothing has moved in any repository, answer with the old lock, without the solver.

        Raises:
            Refused: the set cannot be solved.
        """
        from buildsys.lock.new_lock import solve

        return solve(
            prepared.image_set, prepared.lock, self.places, moving=moving, store=self.store,
            is_automatic=prepared.is_automatic, look_first=look_first,
        )  # fmt: skip

    def update_lock(self) -> list[Move]:
        """Update the lock to the packages that the repositories have now, if there is one.

        A lock of stand-in packages is renewed by `lock`; without a lock nothing is held.

        Returns:
            What moved.

        Raises:
            Refused: mistakes in the set's files; the set cannot be solved.
        """
        prepared = self.prepare()
        if self.unlocked or prepared.is_automatic or not prepared.lock.exists():
            return []
        made = self.new_lock(prepared, look_first=True)
        made.write()
        return made.moves()

    def fetch(self, prepared: Prepared, lock: Lock) -> None:
        """Fetch into the pool what a lock names.

        Raises:
            Refused: a file cannot be fetched, or is not what the lock names.
        """
        from buildsys.lock.pool import fill

        fill(prepared.image_set, lock, self.places, store=self.store, say=self.progress)

    def _renew(self, prepared: Prepared) -> None:
        """Add what is new to a lock below the build directory, which no person reviews."""
        from buildsys.lock.contents import answers, renew
        from buildsys.lock.pool_files import always_locked, used_lock

        image_set, path = prepared.image_set, prepared.lock
        own = path == used_lock(image_set, self.build_directory, None)
        if not (own and always_locked(image_set) and path.is_relative_to(self.build_directory)):
            return
        if not answers(image_set, path):
            self.progress(f"{path}: asking what the site {image_set.site.name} has now")
            lock = renew(image_set, path, self.places, store=self.store)
            self.progress(f"{path}: {sizes(lock)}")

    # ── plans ───────────────────────────────────────────────────────────────────────────────────────────────

    def compile(self, prepared: Prepared | None = None) -> Compiled:
        """Compile the plan of the set: prepared, locked, and all packages in the pool.

        Pass `prepared` if you have it: the recipes are not read again then.

        Raises:
            Refused: mistakes in its files, or in what was asked for; its lock cannot be used.
        """
        from buildsys.plan.compile import compile_plan

        image_set = self.locked(prepared or self.prepare())
        return Compiled(image_set, compile_plan(image_set))

    def require_tools(self, compiled: Compiled | None = None) -> None:
        """Check that this host has the programs that a plan calls; None: those that every plan calls.

        Raises:
            Refused: some are missing (`missing-tool`) or too old (`old-tool`).
        """
        from buildsys.plan.compile import TOOLS
        from buildsys.programs import require

        tools = json.loads(compiled.plan.texts["plan.json"])["tools"] if compiled else TOOLS
        require(tools, self.build_directory / "tools.json")

    def require_repositories(self, image_set: ImageSet) -> None:
        """Check that this host has repositories enabled, if the set takes its packages from them.

        Raises:
            Refused: it has none (`no-host-repositories`).
        """
        from buildsys.lock.host_repositories import require_host_repositories
        from buildsys.packages import manager_of

        if image_set.site.host_repositories and not image_set.site.locked:
            require_host_repositories(manager_of(image_set.site))

    def write(self, compiled: Compiled, directory: Path) -> int:
        """Make `directory` hold the plan; wait while another process uses it.

        Returns:
            How many files changed.

        Raises:
            Refused: the directory is not empty and not a plan, or no plan can run in it.
        """
        if wrong := unusable_for_plans(directory):
            raise Refused([Diagnostic(NOWHERE, Code.PLAN_DIRECTORY_NAME, wrong, "give another one with -o")])
        from buildsys.plan.inventory import write_origins
        from buildsys.plan.write import write_plan
        from buildsys.run.plan_lock import turn

        changed = write_plan(
            compiled.plan, directory, lambda: turn(directory, "writing the plan", self.progress)
        )
        write_origins(compiled.image_set, directory)
        return changed


def unusable_for_plans(directory: Path) -> str:
    """Why no plan can run in a directory; empty when one can."""
    newline = "\n" in str(directory.absolute())
    return "a plan cannot lie in a directory with a newline in its name" if newline else ""


def sizes(lock: Lock) -> str:
    """How many images and packages a lock names: `2 images, 7 packages`."""
    return f"{counted(len(lock.images), 'image')}, {counted(len(lock.packages()), 'package')}"


def _make_stand_ins(data_file: Path, output: Path) -> None:
    from buildsys.standins import build_repository
    from buildsys.standins.tools import MissingTool, StandinError

    try:
        build_repository(data_file, output)
    except MissingTool as error:
        raise Refused([Diagnostic(NOWHERE, Code.MISSING_TOOL, str(error))]) from error
    except StandinError as error:
        raise Refused([Diagnostic(NOWHERE, Code.STAND_INS_FAILED, str(error))]) from error


def no_lock(prepared: Prepared) -> Refused:
    """The mistake of asking for a lock that was never made."""
    image_set = prepared.image_set
    command = f"buildsys lock {image_set.name} --site {image_set.site.name}"
    return Refused(
        [Diagnostic(Spot(str(prepared.lock)), Code.NO_LOCK, "there is no lock yet", f"`{command}` makes it")]
    )
