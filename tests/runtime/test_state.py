"""Records of a plan that were damaged: disbelieved by all who read them, and made whole by the next run."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from buildsys.image import CopyImage
from buildsys.plan import read
from tests.plan.sets import BASE, image, image_set
from tests.runtime.faked import Faked, does, make_fake
from tests.stores import keep


def _lost(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def _halved(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _zeros(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


def _garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\n" * 7 + b"a b c\n")


def _folder(path: Path) -> None:
    path.unlink()
    (path / "below").mkdir(parents=True)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parents[2] / "elsewhere")
    (path.parents[2] / "elsewhere").write_text("of somebody else\n")


DAMAGE = [_lost, _empty, _cut, _halved, _zeros, _garbage, _folder, _link]
RECORDS = [
    "state/base.id", "state/base.inputs", "state/base.spots", "state/base.*.checked", "results/base.json",
]  # fmt: skip
OTHERS = [
    "state/id", "state/lock", "state/base.keys", "state/goals", "state/listing", "state/fresh",
    "state/progress", "state/judged", "state/repositories", "events.jsonl", "logs/base.log",
]  # fmt: skip


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Faked, Callable[[], None]]:
    """A plan of three images: `child` is made from `base`, copies from `tool`. What brings its build back."""
    place = tmp_path_factory.mktemp("state") / "work"
    faked = Faked(place / "plan", make_fake(place / "fake"))
    copied = CopyImage(image="tool", source="/x", to="/x", mode="", owner="")
    images = [
        image("base", BASE, does("one")),
        image("tool", BASE, does("two")),
        image("child", "base", copied),
    ]
    faked.compile(image_set(place / "set", images))
    assert sorted(faked.built()) == ["base", "child", "tool"]
    return faked, keep(place)


@pytest.fixture
def built(restored: tuple[Faked, Callable[[], None]]) -> Faked:
    faked, restore = restored
    restore()
    return faked


def _records(plan: Path) -> dict[str, str]:
    """What stands in the records of all images, but for what tells the time."""
    kinds = {".checked", ".id", ".inputs", ".spots"}
    found = {path.name: path.read_text() for path in (plan / "state").iterdir() if path.suffix in kinds}
    for path in (plan / "results").iterdir():
        result = json.loads(path.read_text())
        found[path.name] = f"{result['image']} {result['image_id']} {result['key']} {result['reference']}"
    return found


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("pattern", RECORDS)
def test_a_damaged_record_is_disbelieved_by_all_and_made_whole(
    built: Faked, pattern: str, damage: Callable[[Path], None]
) -> None:
    whole, ids = _records(built.plan), read.current(built.plan)
    assert sorted(ids) == ["base", "child", "tool"]
    (path,) = built.plan.glob(pattern)
    damage(path)
    assert sorted(read.current(built.plan)) == ["tool"]
    assert {state for state, _ in built.why().values()} == {"fresh"}
    assert built.built() == {}
    assert read.current(built.plan) == ids
    assert _records(built.plan) == whole
    built.calls()
    assert built.built() == {}
    assert [line.split()[1] for line in built.calls()] == ["info", "images"]


@pytest.mark.parametrize("damage", [_lost, _garbage, _folder, _link])
@pytest.mark.parametrize("name", OTHERS)
def test_other_files_of_a_plan_hold_nothing_up(
    built: Faked, name: str, damage: Callable[[Path], None]
) -> None:
    ids = read.current(built.plan)
    damage(built.plan / name)
    assert built.built() == {}
    assert read.current(built.plan) == ids
    elsewhere = built.plan.parent / "elsewhere"
    assert not elsewhere.exists() or elsewhere.read_text() == "of somebody else\n"


@pytest.mark.parametrize("folder", ["state", "results", "logs"])
@pytest.mark.parametrize("with_file", [False, True])
def test_a_folder_that_is_gone(built: Faked, folder: str, with_file: bool) -> None:  # noqa: FBT001
    ids = read.current(built.plan)
    shutil.rmtree(built.plan / folder)
    if with_file:
        (built.plan / folder).touch()
    assert built.built() == {}
    assert read.current(built.plan) == ids
    assert sorted(path.stem for path in (built.plan / "results").iterdir()) == sorted(ids)


def test_a_stamp_without_what_the_image_was_made_from(built: Faked) -> None:
    """Cut at the end of a line it would vouch for any parent."""
    (stamp,) = (built.plan / "state").glob("child.*.checked")
    stamp.write_text(stamp.read_text().partition("\n")[0] + "\n")
    assert "child" not in read.current(built.plan)


def test_records_of_another_moment(built: Faked, tmp_path: Path) -> None:
    """A file that a crash left as it was before the last build."""
    kept = {path: path.read_text() for path in built.plan.rglob("base.*") if path.parent.name != "logs"}
    images = [image("base", BASE, does("new")), image("tool", BASE, does("two")), image("child", "base")]
    built.compile(image_set(tmp_path / "set", images))
    assert sorted(built.built()) == ["base", "child"]
    ids = read.current(built.plan)
    for path, text in kept.items():
        if path.exists() and path.suffix in {".id", ".inputs", ".json"}:
            now = path.read_text()
            path.write_text(text)
            assert "base" not in read.current(built.plan), path
            assert built.built() == {}
            assert read.current(built.plan) == ids
            assert path.read_text() == now or path.suffix == ".json"


def test_the_next_build_says_why_without_the_record_of_the_last(built: Faked, tmp_path: Path) -> None:
    (built.plan / "state/base.inputs").write_text("do run x\n")
    built.compile(image_set(tmp_path / "set", [image("base", BASE, does("new"))]))
    reason = "the inputs of its last build are lost"
    assert built.why() == {"base": ("stale", reason)}
    assert built.built() == {"base": reason}


def test_records_reach_the_disk_before_their_names(built: Faked, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("sync", "mv"):
        program = tmp_path / "bin" / name
        noted = f'printf "%s\\n" "{name} $*" >>{tmp_path}/said'
        program.write_text(f'#!/bin/bash\n{noted}\nexec /bin/{name} "$@"\n')
        program.chmod(0o755)
    built.built(BS_FORCE="1", PATH=f"{tmp_path}/bin:{built.environment()['PATH']}")
    said = (tmp_path / "said").read_text().splitlines()
    for name in ("results/base.json.", "/stamps/base.inputs", "/stamps/base."):
        assert next(line for line in said if name in line).startswith("sync "), name


def test_an_older_plan_vouches_for_nothing(built: Faked) -> None:
    (built.plan / "lib/current.sh").unlink()
    assert read.current(built.plan) == {}


def test_who_only_asks_changes_nothing(built: Faked) -> None:
    before = {path: path.read_bytes() for path in built.plan.rglob("*") if path.is_file()}
    subprocess.run(["bash", str(built.plan / "lib/current.sh")], check=True, capture_output=True)
    assert {path: path.read_bytes() for path in built.plan.rglob("*") if path.is_file()} == before
