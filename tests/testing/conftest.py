"""Small sets of busybox images, built and tried by the command line in stores of the tests' own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.busybox import OURS, Done, put_base
from tests.conftest import ROOT
from tests.programs import end
from tests.stores import Store, store

TINY = {
    "set.yaml": "set: tiny\nnamespace: tests\nprefix: t-\ntag: '1'\nepoch: 1517443200\n",
    "sites/here.yaml": "site: here\ninstaller: dnf\nbase: {image: 'localhost/busybox:1'}\n",
}


@dataclass(frozen=True)
class Bench:
    """A folder with a set, a store, and the plan that comes of it."""

    folder: Path
    store: Store
    runs: list[subprocess.Popen[str]] = field(default_factory=list)
    """Runs under way, each in a session of its own."""

    @property
    def plan(self) -> Path:
        return self.folder / "build/tiny"

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the set."""
        for name, text in {**TINY, **files}.items():
            path = self.folder / "tiny" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")

    def argv(self, *words: str) -> list[str]:
        return [str(ROOT / ".venv/bin/buildsys"), *words]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {**kept, "BS_STORE": self.store.options, "BS_SPACE_MIB": "1", **more}

    def test(self, *words: str, **environment: str) -> Done:
        """Run `buildsys test` on the set."""
        return subprocess.run(
            self.argv("test", "./tiny", *words), cwd=self.folder, env=self.environment(**environment),
            check=False, capture_output=True, text=True,
        )  # fmt: skip

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Begin a verb of the command line; it ends with the test at the latest."""
        run = subprocess.Popen(
            self.argv(*words), cwd=self.folder, env=self.environment(), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.runs.append(run)
        return run

    def end(self) -> None:
        """End what a test has left: its runs, then their containers."""
        for run in self.runs:
            end(run)
        # podman's locks are shared by all stores of a host: a container that is only deleted keeps one.
        for kind in (["pod"], []):
            words = [*kind, "rm", "--force", "--all", "--time", "0"]
            subprocess.run(["podman", *self.store.options.split(), *words], check=True, capture_output=True)

    def podman(self, *words: str) -> str:
        command = ["podman", *self.store.options.split(), "--log-level", "fatal", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def containers(self) -> list[str]:
        """Names of all containers and pods of the store."""
        names = self.podman("ps", "--all", "--format", "{{.Names}}").split()
        return names + self.podman("pod", "ps", "--format", "{{.Name}}").split()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base image, as an archive."""
    place = tmp_path_factory.mktemp("base")
    with store(place / "store") as made:
        put_base(made, place / "root")
        made.buildah(
            "push", "--quiet", "localhost/busybox:1", f"docker-archive:{place}/base.tar:localhost/busybox:1"
        )
    return place / "base.tar"


@pytest.fixture
def bench(tmp_path: Path, base: Path) -> Iterator[Bench]:
    # TMPDIR of the run is short: podman takes no run root of more than 50 characters.
    with TemporaryDirectory(prefix="bs-") as short, store(Path(short)) as made:
        made.buildah("pull", "--quiet", f"docker-archive:{base}")
        bench = Bench(tmp_path, made)
        try:
            yield bench
        finally:
            bench.end()
