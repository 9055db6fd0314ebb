"""A layer of the vfs driver beside its parent: what its archive does not name must be equal."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from buildsys.inspect_image.inherited import differences


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    top = tmp_path / "parent"
    for name in ("a/f", "a/g", "a/b/h", "c/i", "top"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(f"{name}\n")
    os.link(top / "a/f", top / "a/linked")
    (top / "c/to").symlink_to("i")
    os.mkfifo(top / "c/pipe")
    return top


@pytest.fixture
def layer(parent: Path, tmp_path: Path) -> Path:
    top = tmp_path / "layer"
    shutil.copytree(
        parent, top, symlinks=True, ignore=lambda _, names: [name for name in names if name == "pipe"]
    )
    os.mkfifo(top / "c/pipe")
    return top


def test_a_copy_is_equal(parent: Path, layer: Path) -> None:
    assert list(differences(layer, parent, [])) == []


def test_what_the_archive_names_may_differ(parent: Path, layer: Path) -> None:
    (layer / "a/f").write_text("other")
    (layer / "new/below").mkdir(parents=True)
    shutil.rmtree(layer / "a/b")
    (layer / "a/b").write_text("a file where a directory was")
    (layer / "c/i").unlink()
    own = ["a", "a/f", "a/linked", "a/b", "new", "new/below", "c", "c/.wh.i"]
    assert list(differences(layer, parent, own)) == []


def test_an_opaque_directory_has_nothing_from_its_parent(parent: Path, layer: Path) -> None:
    shutil.rmtree(layer / "a")
    (layer / "a").mkdir()
    (layer / "a/own").write_text("")
    assert list(differences(layer, parent, ["a", "a/.wh..wh..opq", "a/own"])) == []
    (layer / "a/b").mkdir()
    (layer / "a/b/h").write_text("a/b/h\n")
    assert sorted(differences(layer, parent, ["a", "a/.wh..wh..opq", "a/own"])) == [
        "/a/b does not belong to it",
        "/a/b/h does not belong to it",
    ]


def test_a_removed_directory_that_is_made_again(parent: Path, layer: Path) -> None:
    shutil.rmtree(layer / "a")
    (layer / "a").mkdir()
    assert list(differences(layer, parent, [".wh.a", "a"])) == []


def _instead(path: Path) -> Path:
    """The path, with nothing there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return path


def _link(path: Path, target: str) -> None:
    _instead(path).symlink_to(target)


HARM: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "content": (
        lambda top: (top / "c/i").write_text("c/j\n"),
        ["/c/i has other content than in its parent layer"],
    ),
    "size": (
        lambda top: (top / "c/i").write_text(""),
        ["/c/i has other content than in its parent layer"],
    ),
    "mode": (lambda top: (top / "top").chmod(0o4755), ["/top has another mode than in its parent layer"]),
    "mode of a directory": (
        lambda top: (top / "a/b").chmod(0o777),
        ["/a/b has another mode than in its parent layer"],
    ),
    "target": (
        lambda top: _link(top / "c/to", "j"),
        ["/c/to has another target than in its parent layer"],
    ),
    "type": (
        lambda top: _link(top / "c/i", "/etc/passwd"),
        ["/c/i has another file type than in its parent layer"],
    ),
    "type of a pipe": (
        lambda top: _instead(top / "c/pipe").write_text(""),
        ["/c/pipe has another file type than in its parent layer"],
    ),
    "link out of the layer": (
        lambda top: _link(top / "a/b", "/etc"),
        ["/a/b has another file type than in its parent layer"],
    ),
    "gone": (lambda top: (top / "a/g").unlink(), ["/a/g is missing"]),
    "directory gone": (lambda top: shutil.rmtree(top / "a/b"), ["/a/b is missing"]),
    "added": (
        lambda top: (top / "a/b/x\udcff").write_text(""),
        ["/a/b/x\udcff does not belong to it"],
    ),
}


@pytest.mark.parametrize("way", HARM)
def test_damage_is_named(parent: Path, layer: Path, way: str) -> None:
    harm, words = HARM[way]
    harm(layer)
    assert sorted(differences(layer, parent, [])) == words


@pytest.mark.parametrize("seed", range(20))
def test_any_change_that_the_archive_tells_is_none(parent: Path, layer: Path, seed: int) -> None:
    """Random changes with their archive are no difference; without it, each path is one."""
    draw = random.Random(seed)  # noqa: S311
    members: list[str] = []
    changed: set[str] = set()
    for name in draw.sample(["a/g", "a/b/h", "c/i", "top"], 3):
        match draw.choice(["remove", "write", "beside"]):
            case "remove":
                (layer / name).unlink()
                above, _, base = name.rpartition("/")
                members.append(f"{above}/.wh.{base}" if above else f".wh.{base}")
                changed.add(name)
            case "write":
                (layer / name).write_text(f"{seed}")
                members.append(name)
                changed.add(name)
            case _:
                (layer / f"{name}.new").write_text("")
                members.append(f"{name}.new")
                changed.add(f"{name}.new")
    assert list(differences(layer, parent, members)) == []
    assert {text.split(" ", 1)[0].lstrip("/") for text in differences(layer, parent, [])} == changed
