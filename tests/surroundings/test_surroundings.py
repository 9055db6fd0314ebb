"""A small set in all kinds of surroundings: it is built with the ids of a plain run, or refused in words."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conftest import ROOT
from tests.stores import store
from tests.surroundings.ground import Done, Scene, plain, save_base
from tests.surroundings.rows import ROWS, STORE, Row

PAGE = ROOT / "docs/reference/surroundings.md"
BEGIN, END = "<!-- rows -->\n", "<!-- end of rows -->\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base image, saved."""
    place = tmp_path_factory.mktemp("base")
    with store(place / "store") as made:
        save_base(made, place / "image")
    return place / "image"


@pytest.fixture(scope="module")
def ids(base: Path) -> Iterator[Mapping[str, str]]:
    """The ids of a run in plain surroundings."""
    with TemporaryDirectory(prefix="bs-", dir="/var/tmp") as place, store(Path(place, "store")):
        scene = Scene(Path(place), base, plain())
        scene.prepare()
        done = scene.built()
        assert done.returncode == 0, done.stdout.decode()
        yield scene.ids()


@pytest.mark.real
def test_a_tmpdir_that_cannot_be_used_is_told_first(tmp_path: Path, base: Path) -> None:
    scene = Scene(tmp_path, base, plain()).adding(TMPDIR="/nonexistent")
    note = b"note: TMPDIR is /nonexistent, where no file can be created; temporary files go elsewhere\n"
    with TemporaryDirectory(prefix="bs-", dir="/var/tmp") as place, store(Path(place, "store")) as made:
        scene = scene.but(store=made)
        scene.prepare()
        for run in (scene.planned, scene.built, scene.doctored, scene.made):
            done = run()
            assert done.stdout.startswith(note), done.stdout.decode()
            assert done.stdout.count(note) == 1
        assert note not in scene.command("list", str(scene.recipes)).stdout


@pytest.mark.real
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.group}: {row.name}")
def test_surroundings(row: Row, base: Path, ids: Mapping[str, str]) -> None:
    # podman and buildah take a run root of some fifty letters at most.
    with TemporaryDirectory(prefix="bs-", dir="/var/tmp") as folder, store(Path(folder, "store")):
        scene = row.make(Scene(Path(folder), base, plain()))
        with store(scene.used_store.place), store(Path(folder, "own")):
            if row.refused:
                _refused(row, scene)
                return
            scene.prepare()
            done = scene.built()
            assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
            own = {name: identity for name, identity in ids.items() if name in scene.ids()}
            assert scene.ids() == own
            assert len(own) == (3 if scene.containerfile else 2)
            # Nothing of it makes an image stale.
            again = scene.made()
            assert (again.returncode, b" built" not in again.stdout or b" 0 built" in again.stdout) == (
                0,
                True,
            )


def _refused(row: Row, scene: Scene) -> None:
    """The command, doctor and the plan all refuse, before anything is built."""
    plainly = scene.but(store=None, options=None, wrapper=())
    plainly.prepare()
    verbs = [scene.built, scene.doctored]
    if row.refused == STORE:
        verbs.append(scene.planned)
    for verb in verbs:
        _says(row, verb())
    # Written in plain surroundings, and run in these.
    plan = scene.place / "carried"
    done = plainly.command("plan", str(plainly.recipes), "-o", str(plan))
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
    shutil.rmtree(scene.plan, ignore_errors=True)
    scene.plan.parent.mkdir(parents=True, exist_ok=True)
    plan.rename(scene.plan)
    _says(row, scene.made())
    assert scene.ids() == {}


def _says(row: Row, done: Done) -> None:
    said = " ".join(done.stdout.decode("utf-8", "replace").split())
    assert row.refused in said
    assert done.returncode in {1, 2, 3}
    assert "Traceback" not in said


def test_the_page_has_the_table(golden: Callable[[str, Path], None]) -> None:
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    golden(f"{before}{BEGIN}{table()}{END}{after}", PAGE)


def table() -> str:
    """The rows, as the page shows them."""
    lines = ["| | surroundings | what becomes of a build |", "|---|---|---|"]
    for row in ROWS:
        name = re.sub(r"\|", "&#124;", row.name)
        lines.append(f"| {row.group} | {name} | {row.outcome} |")
    return "\n".join(lines) + "\n"
