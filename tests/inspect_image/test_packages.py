"""Packages of built images: read from their rpm databases, whatever layer and folder these lie in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildsys import cli, programs
from buildsys.diagnostics import Refused
from buildsys.inspect_image.diff import Difference, differences
from buildsys.inspect_image.package_database import installed
from buildsys.inspect_image.stored_image import opened
from tests.inspect_image.layouts import folder, image, layer, member
from tests.rpms import build, install

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Packages:
    """One package in two versions, one made twice, two more."""

    old: Path
    new: Path
    once: Path
    again: Path
    gone: Path
    come: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    place = tmp_path_factory.mktemp("packages")
    return Packages(
        build(place, "nova", "16.1.6", epoch=1),
        build(place, "nova", "16.1.7", epoch=1),
        build(place, "same", "1"),
        build(place, "same", "1", about="Another text."),
        build(place, "gone", "2"),
        build(place, "come", "3"),
    )


@pytest.fixture
def before(tmp_path: Path, packages: Packages) -> str:
    base = folder(install(tmp_path / "before", [packages.old, packages.once, packages.gone]))
    return image(tmp_path / "A", base, layer(member("top", b"1")))


@pytest.fixture
def after(tmp_path: Path, packages: Packages) -> str:
    """The same database below, another one in a layer above it."""
    base = folder(install(tmp_path / "below", [packages.old, packages.once, packages.gone]))
    top = folder(install(tmp_path / "after", [packages.new, packages.again, packages.come]))
    return image(tmp_path / "B", base, top)


def test_text(before: str, after: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diff", "--packages", before, after]) == 1
    assert capsys.readouterr().out == (
        "added\tcome.noarch\t\t3-1\n"
        "removed\tgone.noarch\t2-1\t\n"
        "changed\tnova.noarch\t1:16.1.6-1\t1:16.1.7-1\n"
        "changed\tsame.noarch\t1-1\t1-1, rebuilt\n"
    )


def test_json(before: str, after: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diff", "--packages", "--json", before, after]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert rows[2] == {"name": "nova", "arch": "noarch", "old": "1:16.1.6-1", "new": "1:16.1.7-1"}
    assert [row["name"] for row in rows] == ["come", "gone", "nova", "same"]


def test_equal_packages(before: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diff", "--packages", before, before]) == 0
    assert capsys.readouterr().out == ""


def test_a_database_in_the_newer_place(tmp_path: Path, packages: Packages) -> None:
    root = install(tmp_path / "root", [packages.old], database="/usr/lib/sysimage/rpm")
    with opened([image(tmp_path / "image", folder(root))], "") as (only,):
        assert {name: versions[0][0] for name, versions in installed(only).items()} == {
            ("nova", "noarch"): "1:16.1.6-1"
        }


def test_only_the_layers_down_to_the_database_are_fetched(after: str) -> None:
    with opened([after], "") as (only,):
        installed(only)
        assert [path.name for path in only.place.iterdir()] == ["1"]


def test_a_database_that_was_removed(tmp_path: Path, packages: Packages) -> None:
    gone = layer(member("var/lib/rpm/.wh.rpmdb.sqlite"))
    name = image(tmp_path / "image", folder(install(tmp_path / "root", [packages.old])), gone)
    with opened([name], "") as (only,), pytest.raises(Refused) as refused:
        installed(only)
    assert [item.code for item in refused.value.diagnostics] == ["no-package-database"]


def test_a_database_that_rpm_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = image(tmp_path / "image", layer(member("var/lib/rpm/rpmdb.sqlite", b"no database" * 99)))
    assert cli.run(["diff", "--packages", name, name]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: '{name}' cannot be read: ")
    assert "[unreadable-image]" in said


def test_without_rpm(
    before: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> str:
        mistake = programs.Tool("rpm", "").mistake()
        assert mistake
        raise Refused([mistake])

    monkeypatch.setattr(programs, "output", missing)
    assert cli.run(["diff", "--packages", before, before]) == 3
    assert "rpm is needed and is not installed" in capsys.readouterr().err


# compare


def test_compare_equal_packages_installed_at_other_times(tmp_path: Path, packages: Packages) -> None:
    wanted = [packages.old, packages.once]
    layers = [
        folder(install(tmp_path / name, wanted, at=at)) for name, at in (("a", 1500000000), ("b", 1600000000))
    ]
    names = [image(tmp_path / f"image-{number}", data) for number, data in enumerate(layers)]
    with opened(names, "") as images:
        found = [item for item in differences(*images) if item.what != "time"]
    what = "equal packages, other files of the database"
    assert found == [Difference("layer 1", "/var/lib/rpm", what, "2 packages", "2 packages")]


@pytest.mark.usefixtures("before", "after")
def test_compare_names_the_packages_of_a_layer(tmp_path: Path) -> None:
    names = [
        image(tmp_path / "one", folder(tmp_path / "before")),
        image(tmp_path / "two", folder(tmp_path / "after")),
    ]
    with opened(names, "") as images:
        found = [item for item in differences(*images) if item.what != "time"]
    assert [(item.where, item.path) for item in found] == [("layer 1", "/var/lib/rpm")] * 4
    assert [(item.what, item.a, item.b) for item in found] == [
        ("package come.noarch", "", "3-1"),
        ("package gone.noarch", "2-1", ""),
        ("package nova.noarch", "1:16.1.6-1", "1:16.1.7-1"),
        ("package same.noarch: another of the same version", "1-1", "1-1"),
    ]


@pytest.mark.usefixtures("before")
def test_compare_a_database_with_none(tmp_path: Path) -> None:
    names = [
        image(tmp_path / "one", folder(tmp_path / "before")),
        image(tmp_path / "two", layer(member("x"))),
    ]
    with opened(names, "") as images:
        (found,) = (
            item for item in differences(*images) if item.path == "/var/lib/rpm" and "database" in item.what
        )
    assert found.what == f"files of the package database; the image '{names[1]}' has no package database"
