"""A repository on the loopback, a small set that takes its packages from there, and locks of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

from buildsys import cli, diagnostics
from buildsys.diagnostics import Refused
from buildsys.image import ImageSet
from buildsys.lock.contents import LockScope, make_lock
from buildsys.lock.lockfile import Lock
from buildsys.lock.pool import fill
from buildsys.lock.pool_files import Places
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.lock.serve import Server
from tests.lock.stones import Stones
from tests.sites.packages import run

SET = 'set: demo\nregistry: localhost\nnamespace: demo\nprefix: ""\ntag: "1"\nepoch: 1517443200\n'
SITE = """\
site: far
installer: dnf
base: {{bootstrap: [ground]}}
repositories:
  quarry: {{url: "{address}", key: files/KEY}}
"""
RECIPES = {
    "base": "from: site\n",
    "middle": "from: base\npackages: [mid]\n",
    "tip": "from: middle\npackages: [leaf]\n",
    "side": "from: base\npackages: [other]\n",
}
EXPECTED = Path(__file__).parent / "expected"
Told = Callable[..., None]
"""Doing, a code, and the name of the expected text when it is not the code."""
FIRST = tuple(
    f"{name}-1.0"
    for name in ("ground", "libmid", "mid", "mid-extra", "leaf", "other", "old-name", "enemy", "broken")
)
"""What the repository holds at first."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class World:
    """All of it, below one folder: `demo` the set, `web` the repository, `build` what is made."""

    place: Path
    stones: Stones
    server: Server

    @property
    def repository(self) -> Path:
        return self.place / "web"

    @property
    def set(self) -> Path:
        return self.place / "demo"

    @property
    def places(self) -> Places:
        return Places.below(self.place / "build")

    @property
    def lock_file(self) -> Path:
        return self.set / "locks/far.yaml"

    def packages(self, *names: str, time: int = 1700000000) -> None:
        """Make the repository hold these, `NAME-VERSION`, and index it as of a time."""
        self.repository.mkdir(exist_ok=True)
        for file in self.repository.glob("*.rpm"):
            file.unlink()
        for name in names:
            shutil.copyfile(self.stones.files[name], self.repository / self.stones.files[name].name)
        self.index(time)

    def index(self, time: int = 1700000000, *options: str) -> None:
        """Write the index of the repository."""
        stamp = (f"--revision={time}", "--set-timestamp-to-revision")
        run("createrepo_c", "--quiet", "--simple-md-filenames", *stamp, *options, self.repository)

    def recipe(self, name: str, text: str) -> None:
        """Write a recipe."""
        (self.set / "images").mkdir(parents=True, exist_ok=True)
        (self.set / f"images/{name}.yaml").write_text(f"image: {name}\n{text}")
        # Sources are quoted in diagnostics, and remembered.
        diagnostics._lines.cache_clear()

    def site(self, text: str = SITE) -> None:
        """Write the site."""
        (self.set / "sites").mkdir(parents=True, exist_ok=True)
        (self.set / "sites/far.yaml").write_text(text.format(address=self.server.address))

    def resolved(self) -> ImageSet:
        """The set as it is written now."""
        # By a relative path, as people give it: so it stands in what they are told.
        return resolve(load_set(Path("demo"), []), site=None, variables={}, stand_ins=None)

    def lock(self, old: Lock | None = None, *moving: str, update: bool = False) -> Lock:
        """Lock it: anew, or with an older lock, of which some images move, or none, or with `update` all."""
        wish = LockScope(old, None if update else frozenset(moving))
        return make_lock(self.resolved(), self.places, wish, store=self.store)

    def fill(self, lock: Lock) -> ImageSet:
        """Fetch what a lock names."""
        return fill(self.resolved(), lock, self.places, say=lambda _: None)

    def buildsys(self, *words: str | Path, **environment: str) -> Outcome:
        """Run a verb that does not become another program, in this process: starting one costs a second."""
        diagnostics._lines.cache_clear()
        out, err = StringIO(), StringIO()
        with patch.dict(os.environ, environment), redirect_stdout(out), redirect_stderr(err):
            status = cli.run([*map(str, words)])
        return Outcome(status, out.getvalue(), err.getvalue())

    def command(self, *words: str | Path, **environment: str) -> Outcome:
        """Run a command there, as a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(
            [*map(str, words)],
            cwd=self.place,
            env={**kept, "BS_STORE": self.store, **environment},
            check=False,
            capture_output=True,
            text=True,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    @property
    def store(self) -> str:
        """Options of a container store of its own."""
        return f"--root {self.place}/store/root --runroot {self.place}/store/run"


def refusal(doing: Callable[[], object], *codes: str) -> str:
    """What a person is told when something is refused; with these codes and no others."""
    with pytest.raises(Refused) as refused:
        doing()
    assert {item.code for item in refused.value.diagnostics} == set(codes)
    return refused.value.text() + "\n"


def rows(lock: Lock) -> dict[str, list[str]]:
    """Each image's own packages."""
    return {name: [item.nevra for item in image.packages()] for name, image in lock.images.items()}
