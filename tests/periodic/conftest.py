"""A set whose packages come from a repository on disk that changes, built as a timer does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from buildsys.cli.output import CHANGED
from buildsys.standins.tools import find_busybox
from tests import command, rpms
from tests.busybox import APPLETS, OURS
from tests.programs import started
from tests.sites.packages import make_package, make_repository
from tests.stores import Store, keep, store

SET = {
    "set.yaml": 'set: demo\nnamespace: example\nprefix: ""\ntag: "1"\nepoch: 1517443200\nsite: disk\n',
    "sites/disk.yaml": """\
site: disk
installer: dnf
base: {{bootstrap: [root]}}
repositories:
  disk: {{url: "file://{repository}", gpgcheck: false}}
""",
    "images/base.yaml": "image: base\nfrom: site\n",
    "images/tool.yaml": "image: tool\nfrom: base\npackages: [tool]\n",
    "images/below.yaml": "image: below\nfrom: tool\nsteps:\n  - touch: /below\n",
    "images/beside.yaml": "image: beside\nfrom: base\nsteps:\n  - touch: /beside\n",
}


@dataclass(frozen=True)
class Scene:
    """A set below `recipes/demo`, its repository, a container store."""

    place: Path
    store: Store
    packages: Path
    """Packages that were made once: `tool` in two versions."""

    @property
    def plan(self) -> Path:
        return self.place / "build/demo"

    @property
    def repository(self) -> Path:
        return self.place / "repository"

    @property
    def lock(self) -> Path:
        return self.place / "recipes/demo/locks/disk.yaml"

    def write(self, name: str, text: str) -> None:
        """Write a file of the set."""
        path = self.place / "recipes/demo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def publish(self, *names: str) -> None:
        """Put packages into the repository."""
        self.repository.mkdir(exist_ok=True)
        for name in names:
            (made,) = self.packages.glob(f"{name}-1*.rpm")
            shutil.copy(made, self.repository)
        make_repository(self.repository)

    def buildsys(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command, in a child of this process."""
        return command.run(words, self.place, self.environment(**environment))

    def periodic(self, **environment: str) -> int:
        """Build periodically; the exit status."""
        done = self.buildsys("periodic", "demo", **environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode

    def interrupted(self, when: Callable[[], object], number: signal.Signals | None = None) -> int:
        """Build periodically and press Ctrl-C when something is true; the exit status.

        A signal is sent to that process alone, as timers and runners of CI do; no process stays behind.
        """
        with started(
            [sys.executable, "-m", "buildsys", "periodic", "demo"],
            cwd=self.place,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as begun:
            end = time.monotonic() + 60
            while not when() and begun.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            if number is None:
                os.killpg(begun.pid, signal.SIGINT)
            else:
                begun.send_signal(number)
            status = begun.wait(timeout=60)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                try:
                    os.killpg(begun.pid, 0)
                except ProcessLookupError:
                    return status
                time.sleep(0.05)
            pytest.fail("a process of the run is left")

    def environment(self, **more: str) -> dict[str, str]:
        """Ours, without what would change the outcome."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {**kept, "BS_STORE": self.store.options, "BS_SPACE_MIB": "1", **more}

    def report(self) -> dict[str, Any]:
        """The report, for programs."""
        data: dict[str, Any] = json.loads((self.plan / "report.json").read_text())
        return data

    def page(self) -> str:
        """The report, for people."""
        return (self.plan / "report.md").read_text()

    def built(self) -> list[str]:
        """The images that the report says were built."""
        return sorted(item["image"] for item in self.report()["built"])


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root that can be entered, and `tool` 1.0 and 1.1."""
    place = tmp_path_factory.mktemp("packages")
    tree = place / "tree"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "usr/share", "var/lib"):
        (tree / name).mkdir(parents=True)
    shutil.copy(find_busybox(), tree / "bin/busybox")
    for applet in APPLETS:
        (tree / "bin" / applet).symlink_to("busybox")
    rpms.write(place, rpms.rpm("root", "1", *rpms.tree(tree)))
    for version in ("1.0", "1.1"):
        make_package(place, "tool", version)
    return place


@pytest.fixture
def scene(tmp_path: Path, packages: Path) -> Iterator[Scene]:
    """Published: the root and `tool` 1.0."""
    with _scene(tmp_path, packages) as made:
        yield made


@contextmanager
def _scene(place: Path, packages: Path) -> Iterator[Scene]:
    with store(place / "store") as made:
        scene = Scene(place, made, packages)
        for name, text in SET.items():
            scene.write(name, text.format(repository=scene.repository) if "sites" in name else text)
        scene.publish("root", "tool-1.0")
        yield scene


@pytest.fixture(scope="session")
def restored(
    packages: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Scene, Callable[[], None]]]:
    """Such a scene, and a function that makes it as it is when it is locked and was built once."""
    with _scene(tmp_path_factory.mktemp("periodic") / "work", packages) as scene:
        done = scene.buildsys("lock", "demo")
        assert done.returncode == 0, done.stderr
        assert scene.periodic() == CHANGED
        yield scene, keep(scene.place)


@pytest.fixture
def locked(restored: tuple[Scene, Callable[[], None]]) -> Scene:
    """Locked, and built once."""
    scene, restore = restored
    restore()
    return scene
