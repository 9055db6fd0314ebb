"""Locks of a set whose packages are made here: what moved, and one that somebody writes down."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.real

PIKE = ROOT / "recipes/stable-pike"
SET = """\
set: small
namespace: test
prefix: ""
tag: "1"
epoch: 1517443200
site: embedded
"""


SOURCE = re.compile(r"^  (?=[\w.+-]+:)", re.MULTILINE)


def shortened(text: str, more: str) -> str:
    """The data of stand-ins with the sources of `bootstrap` and one more; building all takes seconds."""
    head, _, sources = text.partition("\nsources:\n")
    kept = {
        *re.split(r"[\s,]+", re.findall(r"^bootstrap: \[(.*?)\]", head, re.MULTILINE | re.DOTALL)[0]),
        more,
    }
    blocks = [block for block in SOURCE.split(sources) if block.partition(":")[0] in kept]
    return f"{head}\nsources:\n" + "".join(f"  {block}" for block in blocks)


@dataclass(frozen=True)
class Place:
    """A set `small` whose stand-ins are some of Pike's."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "small/standins/packages.yaml"

    @property
    def kept(self) -> Path:
        return self.folder / "build/standins/small/lock.yaml"

    def buildsys(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "buildsys", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            argv, cwd=self.folder, env=environment, check=False, capture_output=True, text=True
        )

    def edit(self, old: str, new: str) -> None:
        """Change the data of the stand-ins."""
        text = self.data.read_text()
        assert old in text
        self.data.write_text(text.replace(old, new, 1))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    small = tmp_path / "small"
    shutil.copytree(PIKE / "standins", small / "standins")
    data = small / "standins/packages.yaml"
    data.write_text(shortened(data.read_text(), "crudini"))
    for folder in (small / "standins/payload").iterdir():
        if f"  {folder.name}:" not in data.read_text():
            shutil.rmtree(folder)
    (small / "sites").mkdir()
    shutil.copy(PIKE / "sites/embedded.yaml", small / "sites")
    (small / "set.yaml").write_text(SET)
    (small / "images").mkdir()
    (small / "images/base.yaml").write_text("image: base\nfrom: site\n")
    (small / "images/tool.yaml").write_text("image: tool\nfrom: base\npackages: [crudini]\n")
    return Place(tmp_path)


def test_what_moved_is_told_when_the_stand_ins_changed(place: Place) -> None:
    """By another version, and by other content of the same version."""
    assert place.buildsys("lock", "./small").returncode == 0
    assert place.buildsys("lock", "./small", "--check").stderr.endswith("nothing moved\n")
    place.edit("  crudini:\n    version: 0.9-1.el7\n", "  crudini:\n    version: 0.10-1.el7\n")
    for _ in range(2):
        done = place.buildsys("lock", "./small", "--check")
        assert done.returncode == 1, done.stderr
        assert done.stdout == "tool\tcrudini\t0.9-1.el7\t->\t0.10-1.el7\n"
        assert done.stderr == f"error: 1 thing moved since {place.kept.relative_to(place.folder)} was made\n"
    # What builds renew by themselves is current again.
    assert place.buildsys("plan", "./small").returncode == 0
    assert place.buildsys("lock", "./small", "--check").returncode == 0

    place.edit("nothing done", "done nothing")
    done = place.buildsys("lock", "./small", "--check")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        1,
        "tool\tcrudini\t0.10-1.el7\t->\t0.10-1.el7, rebuilt",
    )
    done = place.buildsys("lock", "./small")
    assert done.returncode == 0
    assert "0.10-1.el7, rebuilt" in done.stdout


def test_a_recipe_that_asks_for_more_moves_a_lock_that_keeps_itself(place: Place) -> None:
    assert place.buildsys("lock", "./small").returncode == 0
    (place.folder / "small/images/more.yaml").write_text("image: more\nfrom: base\npackages: [crudini]\n")
    done = place.buildsys("lock", "./small", "--check")
    assert (done.returncode, done.stdout) == (1, "more\tcrudini\t-\t->\t0.9-1.el7\n")


def test_a_lock_among_the_recipes_is_used(place: Place) -> None:
    written = "small/locks/embedded.yaml"
    done = place.buildsys("lock", "./small", "-o", written)
    assert done.returncode == 0
    assert "note:" not in done.stderr
    place.edit("  crudini:\n    version: 0.9-1.el7\n", "  crudini:\n    version: 0.10-1.el7\n")
    keys = place.folder / "build/small/keys/tool"
    # Stand-ins of that version are no longer made, and were never fetched.
    done = place.buildsys("plan", "./small")
    assert done.returncode == 2
    assert "[package-vanished]" in done.stderr
    assert place.buildsys("lock", "./small", "--check").returncode == 1
    assert place.buildsys("lock", "./small", "--update").stderr.startswith(written)
    assert place.buildsys("plan", "./small").returncode == 0
    assert "package crudini 0.10-1.el7" in keys.read_text()
    # Now the pool has it.
    place.edit("  crudini:\n    version: 0.10-1.el7\n", "  crudini:\n    version: 0.11-1.el7\n")
    assert place.buildsys("plan", "./small").returncode == 0
    assert "package crudini 0.10-1.el7" in keys.read_text()


def test_a_lock_that_builds_do_not_take_is_named_as_such(place: Place) -> None:
    done = place.buildsys("lock", "./small", "-o", "mine.yaml")
    assert done.returncode == 0
    note = "note: builds take build/standins/small/lock.yaml unless they are called with --lock mine.yaml"
    assert done.stderr.splitlines()[-1] == note
