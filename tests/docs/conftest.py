"""Clones to carry pages out in, each with a container store of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conftest import ROOT
from tests.docs.pages import File, steps
from tests.stores import Store, store

TUTORIAL = ROOT / "docs/tutorial/first-set.md"


@dataclass(frozen=True)
class Clone:
    """What a reader has before the first page: a clone that is set up, and a container store."""

    folder: Path
    store: Store
    environment: dict[str, str]


def write_first_set(folder: Path) -> None:
    """The set of the tutorial, as it stands at its end."""
    for step in steps(TUTORIAL.read_text()):
        if isinstance(step, File):
            path = folder / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text)


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in packages, made as the tutorial makes them; once, for they take a while."""
    folder = _clone(tmp_path_factory.mktemp("stand-ins"))
    write_first_set(folder)
    command = [".venv/bin/buildsys", "plan", "first"]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "build/standins/first"


@pytest.fixture
def clone(tmp_path: Path, stand_ins: Path) -> Iterator[Clone]:
    """One for each page, set up; the stand-ins are there already."""
    folder = _clone(tmp_path.resolve())
    (folder / "build/standins").mkdir(parents=True)
    for name in ("first", "hello", "stable-pike"):
        subprocess.run(["cp", "-al", stand_ins, folder / "build/standins" / name], check=True)
        # A lock is of one set.
        (folder / "build/standins" / name / "lock.yaml").unlink()
    # TMPDIR of the run is short: podman takes no run root of more than 50 characters.
    with TemporaryDirectory(prefix="bs-") as short, store(Path(short)) as made:
        configuration = tmp_path / "storage.conf"
        configuration.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{made.root}"\nrunroot = "{made.runroot}"\n'
        )
        yield Clone(folder, made, _environment() | {"CONTAINERS_STORAGE_CONF": str(configuration)})


def _clone(place: Path) -> Path:
    folder = place / "clone"
    (folder / "recipes").mkdir(parents=True)
    (folder / "recipes/stable-pike").symlink_to(ROOT / "recipes/stable-pike")
    project = ("CHANGELOG.md", "LICENSE", "Makefile", "README.md", "buildsys", "pyproject.toml")
    for name in (*project, "requirements.lock", "tools"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(ROOT / ".venv/bin")
    for marker in ("set-up-for-build", "set-up-for-test"):
        (folder / ".venv" / marker).write_text(f"{folder}\n")
    return folder


def _environment() -> dict[str, str]:
    ours = ("BS_", "MAKE", "MFLAGS", "GNUMAKE", "COLUMNS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
