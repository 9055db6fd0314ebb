"""What a periodic build remembers: read whole or not at all, whatever a crash left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildsys.run import baseline
from buildsys.run.baseline import LeftImage

LINE = "package tool {version}-1 noarch tool.rpm sha256:{sum}"


def left(version: str = "1", identity: str = "a", tag: str = "1", checksum: str = "0") -> LeftImage:
    return LeftImage(identity, f"localhost/t/tool:{tag}", (LINE.format(version=version, sum=checksum),))


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of two images, one of which its own decider calls current."""
    for folder in ("state", "lib", "results"):
        (tmp_path / folder).mkdir()
    images: dict[str, dict[str, object]] = {
        name: {"parent": None, "reads": [], "reference": f"localhost/t/{name}:1"}
        for name in ("tool", "unbuilt")
    }
    summary = {"set": "t", "format": "docker", "stand_ins": False, "images": images}
    (tmp_path / "plan.json").write_text(json.dumps(summary))
    (tmp_path / "lib/current.sh").write_text("echo tool a\n")
    inputs = f"do run x\n{LINE.format(version='1', sum='0')}\nformat docker\n"
    (tmp_path / "state/tool.inputs").write_text(inputs)
    return tmp_path


def test_what_is_written_is_read(plan: Path) -> None:
    assert baseline.read(plan) is None
    now = baseline.now(plan)
    assert now == {"tool": left()}
    baseline.write(plan, now)
    assert baseline.read(plan) == now


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"images": []}', '{"images": {"a": {}}}', "\\xff"])
def test_a_damaged_file_is_not_believed(plan: Path, text: str) -> None:
    baseline.write(plan, {})
    (plan / "state/baseline.json").write_text(text)
    assert baseline.read(plan) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": 3}', '{"images": {"tool": {}}}'])
def test_a_damaged_plan_has_no_images(plan: Path, text: str) -> None:
    (plan / "plan.json").write_text(text)
    assert baseline.now(plan) == {}


def test_an_id_or_a_reference_is_a_change() -> None:
    old = {"tool": left(), "gone": left()}
    assert [*baseline.changes(old, {"tool": left()})] == []
    # The same image, built from another version to equal content.
    assert [*baseline.changes(old, {"tool": left("2")})] == []
    for new in (left(identity="b"), left(tag="2")):
        (change,) = baseline.changes(old, {"tool": new})
        assert (change.image, change.old, change.new) == ("tool", left(), new)
    (change,) = baseline.changes({}, {"tool": left()})
    assert change.old is None


def test_packages_that_moved_or_were_rebuilt() -> None:
    def changed(new: LeftImage) -> list[tuple[str, str, str]]:
        found = baseline.changed_packages({"tool": left()}, {"tool": new, "new": left()})
        return [(change.name, change.old, change.new) for _, change in found]

    assert changed(left()) == []
    assert changed(left("2")) == [("tool", "1-1", "2-1")]
    assert changed(left(checksum="1")) == [("tool", "1-1", "1-1")]
    assert changed(LeftImage("a", "r", ("package tool",))) == [("tool", "1-1", "")]
