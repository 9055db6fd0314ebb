"""Plans held against each other: images, parents, inputs, packages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys import cli
from buildsys.image import Image, LockedPackage, MakeDirectory, Repository, Touch, Transaction
from buildsys.plan.compile import compile_plan
from buildsys.plan.diff import plan_change, read_plan
from buildsys.plan.read import MARK
from buildsys.plan.write import write_plan
from tests.plan.sets import BASE, image, image_set, locked, site


def written(directory: Path, images: Sequence[Image], epoch: int = 1500000000) -> Path:
    """A plan of these images, written as `buildsys plan` does; packages are there when they are needed."""
    (directory / "set/repo/p").mkdir(parents=True)
    for name in ("nova", "glance", "swift"):
        for version in ("1.0-1", "1.1-1"):
            (directory / f"set/repo/p/{name}-{version}.noarch.rpm").write_text(name + version)
    at = site(repositories=(Repository("os", str(directory / "set/repo"), "", "", "c" * 64),), locked=True)
    write_plan(compile_plan(image_set(directory / "set", images, at=at, epoch=epoch)), directory / "plan")
    return directory / "plan"


def package(name: str, version: str = "1.0", checksum: str = "5") -> LockedPackage:
    location = f"p/{name}-{version}-1.noarch.rpm"
    return replace(locked(name), version=version, location=location, checksum="sha256:" + checksum * 64)


def installs(*packages: LockedPackage) -> Transaction:
    return Transaction(packages, ())


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return written(
        tmp_path / "before",
        [
            image("base", BASE, Touch(paths=("/a",), mode="")),
            image(
                "app", "base", installs(package("nova"), package("glance")), Touch(paths=("/a b",), mode="")
            ),
            image("old", "base"),
            image("same", "base"),
        ],
    )


@pytest.fixture
def after(tmp_path: Path) -> Path:
    return written(
        tmp_path / "after",
        [
            image("base", BASE, Touch(paths=("/a",), mode="")),
            image("between", "base"),
            image(
                "app",
                "between",
                installs(package("nova", "1.1"), package("swift")),
                MakeDirectory(paths=("/d",), mode="", owner=""),
                Touch(paths=("/a b",), mode="755"),
            ),
            image("same", "base"),
        ],
    )


def test_text(before: Path, after: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diff", str(before), str(after)]) == 1
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out == (
        "added\tbetween\t\t\t\n"
        "removed\told\t\t\t\n"
        "changed\tapp\tparent\tbase\tbetween\n"
        "changed\tapp\tpackage glance.noarch\t1.0-1\t\n"
        "changed\tapp\tpackage nova.noarch\t1.0-1\t1.1-1\n"
        "changed\tapp\tpackage swift.noarch\t\t1.0-1\n"
        "changed\tapp\tinput\tdo file '' '/a b'\tdo directory '' '' /d\n"
        "changed\tapp\tinput\t\tdo file 755 '/a b'\n"
    )


def test_json(before: Path, after: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diff", "--json", str(before), str(after)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["added"], told["removed"], told["everywhere"]) == (["between"], ["old"], [])
    (app,) = told["changed"]
    assert (app["image"], app["parents"]) == ("app", ["base", "between"])
    assert app["packages"][1] == {"name": "nova", "arch": "noarch", "old": "1.0-1", "new": "1.1-1"}
    assert ["", "do file 755 '/a b'"] in app["inputs"]


def test_equal_plans(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diff", str(before), str(before)]) == 0
    assert cli.run(["diff", "--json", str(before), str(before)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "added": [],
        "removed": [],
        "everywhere": [],
        "changed": [],
    }


def test_what_changed_alike_everywhere_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [image("base", BASE), image("app", "base")]
    plans = [str(written(tmp_path / str(epoch), images, epoch)) for epoch in (1, 2)]
    assert cli.run(["diff", *plans]) == 1
    assert capsys.readouterr().out == "changed\t(all)\tinput\tepoch 1\tepoch 2\n"


def test_a_package_made_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plans = [
        str(written(tmp_path / checksum, [image("app", BASE, installs(package("nova", "1.0", checksum)))]))
        for checksum in ("5", "6")
    ]
    assert cli.run(["diff", *plans]) == 1
    assert capsys.readouterr().out == "changed\tapp\tpackage nova.noarch\t1.0-1\t1.0-1, rebuilt\n"


def test_two_versions_of_one_package_are_both_told(tmp_path: Path) -> None:
    old = written(tmp_path / "a", [image("app", BASE, installs(package("nova")))])
    new = written(
        tmp_path / "b", [image("app", BASE, installs(package("nova")), installs(package("nova", "1.1")))]
    )
    (change,) = plan_change(read_plan(old), read_plan(new)).changed
    assert [(item.old, item.new) for item in change.packages] == [("1.0-1", "1.0-1, 1.1-1")]


def test_a_tab_of_an_input_parts_no_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [image("app", BASE)], [image("app", BASE, Touch(paths=("/a\tb",), mode=""))]
    plans = [str(written(tmp_path / str(number), images)) for number, images in enumerate(images)]
    assert cli.run(["diff", *plans]) == 1
    assert capsys.readouterr().out == "changed\tapp\tinput\t\tdo file '' '/a\\tb'\n"


def test_only_a_newline_ends_an_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else Python takes for the end of a line; `package ` behind it is none."""
    odd = "/a\r\f\x1c\x85\u2028package b"
    images = [image("app", BASE)], [image("app", BASE, Touch(paths=(odd,), mode=""))]
    plans = [written(tmp_path / str(number), images) for number, images in enumerate(images)]
    assert cli.run(["diff", *map(str, plans)]) == 1
    assert capsys.readouterr().out.count("changed") == 1
    (changed,) = plan_change(*map(read_plan, plans)).changed
    assert (changed.inputs, changed.packages) == ((("", f"do file '' '{odd}'"),), ())


# bad input


@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_what_is_no_plan(what: str, before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / what
    if what == "empty":
        other.mkdir()
    elif what == "file":
        other.write_text("")
    assert cli.run(["diff", str(before), str(other)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {other} holds no plan [no-plan]\n  hint: ")


def test_a_plan_of_another_version(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (before / MARK).write_text("0\n")
    assert cli.run(["diff", str(before), str(before)]) == 2
    assert "[plan-directory-version]" in capsys.readouterr().err
