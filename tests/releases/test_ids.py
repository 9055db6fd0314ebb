"""What is said of ids that machines made: on data made up for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.releases.ids import Built, collect, main, pairs, report

BASE, WEB = Built("k1", "a1"), Built("k2", "a2")


def written(folder: Path, built: dict[str, Built]) -> Path:
    folder.mkdir()
    for name, item in built.items():
        data = {"image": name, "status": "built", "key": item.key, "image_id": item.id, "seconds": 0.1}
        (folder / f"{name}.json").write_text(json.dumps(data))
    return folder


def test_what_result_files_say_is_collected(tmp_path: Path) -> None:
    folder = written(tmp_path / "results", {"base": BASE, "web": WEB, "broken": Built("k3", "")})
    (folder / "junit.xml").write_text("<testsuites/>")
    assert collect(folder) == {"base": BASE, "web": WEB}


@pytest.mark.parametrize("text", ["{", "[]", '{"image": "web", "key": "k"}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    folder = written(tmp_path / "results", {})
    (folder / "web.json").write_text(text)
    with pytest.raises(ValueError, match=r"web\.json is not a result file"):
        collect(folder)


def test_equal_keys_with_equal_ids_hold() -> None:
    text, holds = report({"one": {"base": BASE, "web": WEB}, "other": {"base": BASE, "web": WEB}})
    assert holds
    assert text.splitlines()[2:] == ["| one, other | 2 | 2 | 2 |"]


def test_another_key_may_have_another_id() -> None:
    text, holds = report(
        {"one": {"base": BASE, "web": WEB}, "other": {"base": BASE, "web": Built("k9", "a9")}}
    )
    assert holds
    assert text.splitlines()[2:] == ["| one, other | 2 | 1 | 1 |"]


def test_one_key_with_two_ids_does_not_hold() -> None:
    """Between any two of three machines, and only where it is so."""
    machines = {"one": {"base": BASE}, "other": {"base": BASE}, "third": {"base": Built("k1", "lie")}}
    text, holds = report(machines)
    assert not holds
    assert text.splitlines()[2:] == [
        "| one, other | 1 | 1 | 1 |",
        "| one, third | 1 | 1 | 0 |",
        "| other, third | 1 | 1 | 0 |",
        "",
        "* base k1: a1 on one, lie on third",
        "* base k1: a1 on other, lie on third",
    ]
    assert [pair.differing for pair in pairs(machines)] == [(), ("base",), ("base",)]


def test_what_only_one_has_built_is_named() -> None:
    text, holds = report({"one": {"base": BASE, "web": WEB}, "other": {"base": BASE}})
    assert not holds
    assert text.endswith("\n* web: built on one or on other, not on both\n")


@pytest.mark.parametrize("machines", [{}, {"one": {"base": BASE}}, {"one": {}, "other": {}}])
def test_a_comparison_of_nothing_does_not_hold(machines: dict[str, dict[str, Built]]) -> None:
    assert not report(machines)[1]


@pytest.mark.parametrize(("other", "status"), [(WEB, 0), (Built("k2", "lie"), 1)])
def test_the_exit_status_says_whether_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: Built, status: int
) -> None:
    written(tmp_path / "one", {"web": WEB})
    written(tmp_path / "other", {"web": other})
    assert main([f"here={tmp_path}/one", f"there={tmp_path}/other"]) == status
    assert "| here, there | 1 | 1 |" in capsys.readouterr().out
