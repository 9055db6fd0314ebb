"""build, why, test, publish and periodic agree on which images are current, whatever happened to the plan."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from buildsys.diagnostics import Code, Refused
from buildsys.image import CopyImage, ImageSet
from buildsys.plan import read
from buildsys.publish.built_set import subject
from buildsys.run import baseline
from buildsys.testing import passed
from tests.plan.sets import BASE, image, image_set
from tests.runtime.faked import Faked, does

NAMES = ["base", "tool", "child"]


def _set(folder: Path, base: str = "one") -> ImageSet:
    copied = CopyImage(image="tool", source="/x", to="/x", mode="", owner="")
    images = [
        image("base", BASE, does(base)),
        image("tool", BASE, does("two")),
        image("child", "base", copied),
    ]
    return image_set(folder, images)


@pytest.fixture
def built(faked: Faked, tmp_path: Path) -> Faked:
    """A plan of three images that was built and has the mark of a set whose tests passed."""
    faked.compile(_set(tmp_path / "set"))
    faked.built()
    mark = {"version": 1, "images": read.current(faked.plan), "tried": {}}
    (faked.plan / passed.MARK).write_text(json.dumps(mark))
    return faked


def _nothing(_: Faked) -> None:
    pass


def _lose_a_stamp(built: Faked) -> None:
    (stamp,) = (built.plan / "state").glob("tool.*.checked")
    stamp.unlink()


def _swap_ids(built: Faked) -> None:
    base, tool = (built.plan / f"state/{name}.id" for name in ("base", "tool"))
    before = base.read_text()
    base.write_text(tool.read_text())
    tool.write_text(before)


def _cut_the_inputs(built: Faked) -> None:
    path = built.plan / "state/base.inputs"
    path.write_bytes(path.read_bytes()[:-2])


def _take_a_result_of_another_id(built: Faked) -> None:
    path = built.plan / "results/tool.json"
    path.write_text(path.read_text().replace(read.current(built.plan)["tool"], "0" * 64))


def _change_the_recipe(built: Faked) -> None:
    built.compile(_set(built.plan.parent / "set", "another"))


def _restore_a_parent(built: Faked) -> None:
    """Records of `base` from before its last build, as a backup would bring them; the others are of now."""
    kept = built.plan.parent / "kept"
    shutil.copytree(built.plan / "state", kept)
    result = (built.plan / "results/base.json").read_bytes()
    _change_the_recipe(built)
    built.built()
    for path in (built.plan / "state").glob("base.*"):
        path.unlink()
    for path in kept.glob("base.*"):
        shutil.copy2(path, built.plan / "state")
    (built.plan / "results/base.json").write_bytes(result)
    built.compile(_set(built.plan.parent / "set"))


STATES: dict[Callable[[Faked], None], set[str]] = {
    _nothing: {"base", "tool", "child"},
    _lose_a_stamp: {"base"},
    _swap_ids: set(),
    _cut_the_inputs: {"tool"},
    _take_a_result_of_another_id: {"base"},
    _change_the_recipe: {"tool"},
    _restore_a_parent: {"base", "tool"},
}
"""What happens to a plan, and the images that are current then: one needs all that it is made from."""


@pytest.mark.parametrize("happens", STATES, ids=lambda happens: happens.__name__.removeprefix("_"))
def test_all_verbs_agree(built: Faked, happens: Callable[[Faked], None]) -> None:
    happens(built)
    expected = STATES[happens]
    ids = read.current(built.plan)
    assert set(ids) == expected
    assert {name for name in NAMES if _is_published(built.plan, name)} == expected
    assert set(baseline.now(built.plan)) == expected
    assert (passed.promoted(built.plan) is not None) == (expected == set(NAMES))
    stale = {name for name, (decision, _) in built.why().items() if decision not in {"fresh", "renamed"}}
    assert not stale & expected
    assert set(built.built()) == stale
    # A run asks the store too: where a name means another image, it finds the right one by its key.
    assert set(read.known_fresh(built.plan)) <= expected
    after = read.current(built.plan)
    assert sorted(after) == sorted(baseline.now(built.plan)) == sorted(NAMES)
    assert ids.items() <= after.items()


def _is_published(plan: Path, name: str) -> bool:
    stored = [image.id for image in read.built(plan).values()]
    try:
        subject(plan, stored, [name])
    except Refused as refused:
        found = [item.code for item in refused.diagnostics]
    else:
        found = []
    assert found in ([], [Code.NOT_CURRENT])
    return not found
