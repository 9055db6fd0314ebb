"""How a plan directory is read: as it was compiled, and where it is missing or damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildsys.plan import read
from buildsys.plan.compile import compile_plan
from buildsys.plan.write import write_plan
from tests.plan.sets import BASE, image, image_set
from tests.runtime.faked import does


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of two images that is not built."""
    images = [image("base", BASE, does("one")), image("child", "base", does("two"))]
    write_plan(compile_plan(image_set(tmp_path, images)), tmp_path / "plan")
    return tmp_path / "plan"


def test_a_plan_is_read_as_it_was_compiled(plan: Path) -> None:
    found = read.planned(plan)
    assert [(name, item.parent, item.needs) for name, item in found.images.items()] == [
        ("base", "", ()),
        ("child", "base", ("base",)),
    ]
    assert read.names(plan) == ["base", "child"]
    key = (plan / "keys/child").read_text()
    assert read.inputs(plan, "child") == key.splitlines()
    assert (read.current(plan), read.built(plan)) == ({}, {})


def test_a_directory_without_a_plan_has_no_images(tmp_path: Path) -> None:
    assert not read.exists(tmp_path)
    assert (read.names(tmp_path), read.built(tmp_path)) == ([], {})
    assert read.results(tmp_path, read.look(tmp_path)) is None
    with pytest.raises(FileNotFoundError):
        read.planned(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"set": "t", "images": 3}'])
def test_a_damaged_summary_is_an_error_of_its_own(plan: Path, text: str) -> None:
    (plan / "plan.json").write_text(text)
    assert read.names(plan) == []
    with pytest.raises(ValueError, match=r"."):
        read.planned(plan)


@pytest.mark.parametrize("text", ["", "{", "[]", "\0\0"])
def test_a_damaged_result_is_empty(plan: Path, text: str) -> None:
    (plan / "results").mkdir()
    (plan / "results/base.json").write_text(text)
    assert read.result(plan, "base") == {}
