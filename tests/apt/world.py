"""A source of packages on the loopback, a host's apt that takes them from there, and a small set."""

from __future__ import annotations

import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from buildsys import cli, diagnostics
from buildsys.image import ImageSet
from buildsys.lock.contents import LockScope, make_lock
from buildsys.lock.lockfile import Lock
from buildsys.lock.pool import fill
from buildsys.lock.pool_files import Places
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.apt.debs import ARCH, give
from tests.lock.serve import Server
from tests.lock.world import Outcome

SET = "set: demo\nregistry: localhost\nnamespace: demo\ntag: latest\nepoch: 1517443200\n"
SITE = "site: here\ninstaller: apt\nbase: {bootstrap: [plain]}\nrepositories: host\n"
RECIPES = {
    "base": "from: site\naccounts: {ghost: {uid: 42001}}\n",
    "middle": "from: base\npackages: [mid]\n",
    "tip": "from: middle\npackages: [leaf]\n",
    "side": "from: base\npackages: [other]\n",
}
# A host whose apt knows one source, and nothing of the host it runs on.
CONFIGURATION = """\
Dir "{host}";
Dir::State::status "{host}/status";
Dir::Bin::methods "/usr/lib/apt/methods";
Dir::Bin::dpkg "/usr/bin/dpkg";
APT::Architecture "{arch}";
Acquire::Retries::Delay "false";
Acquire::http::Proxy "DIRECT";
Acquire::http::Timeout "20";
"""
FIRST = ("ground", "plain", "libmid", "mid", "leaf", "other")
"""What the source holds at first."""


@dataclass(frozen=True)
class World:
    """All of it, below one folder: `demo` the set, `web` the source, `host`, `build` what is made."""

    place: Path
    debs: dict[str, Path]
    server: Server

    def source(self, *names: str, time: int = 1700000000) -> None:
        """Make the source hold these, `NAME` or `NAME_VERSION`."""
        give(self.place / "web", [self.debs[name] for name in names], time=time)

    def host(self) -> Path:
        """Configure the host's apt; the file to be named by APT_CONFIG."""
        host = self.place / "host"
        for folder in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists", "var/cache/apt"):
            (host / folder).mkdir(parents=True)
        (host / "status").write_text("")
        (host / "etc/apt/sources.list").write_text(f"deb [trusted=yes] {self.server.address} ./\n")
        (host / "apt.conf").write_text(CONFIGURATION.format(host=host, arch=ARCH))
        return host / "apt.conf"

    def recipe(self, name: str, text: str) -> None:
        """Write a recipe."""
        (self.place / "demo/images").mkdir(parents=True, exist_ok=True)
        (self.place / f"demo/images/{name}.yaml").write_text(f"image: {name}\n{text}")
        # Sources are quoted in diagnostics, and remembered.
        diagnostics._lines.cache_clear()

    @property
    def places(self) -> Places:
        return Places.below(self.place / "build")

    @property
    def lock_file(self) -> Path:
        return self.place / "build/locks/demo/here.yaml"

    def resolved(self) -> ImageSet:
        """The set as it is written now."""
        return resolve(load_set(Path("demo"), []), site=None, variables={}, stand_ins=None)

    def lock(self, old: Lock | None = None, *moving: str, update: bool = False) -> Lock:
        """Lock it: anew, or with an older lock, of which some images move, or none, or with `update` all."""
        return make_lock(
            self.resolved(), self.places, LockScope(old, None if update or old is None else frozenset(moving))
        )

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


def rows(lock: Lock) -> dict[str, list[str]]:
    """Each image's own packages, in the order in which they are installed."""
    return {
        name: [f"{item.name} {item.evr}" for item in image.packages()] for name, image in lock.images.items()
    }
