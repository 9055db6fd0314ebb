"""What files keep when they are copied, in a real store: attributes and links, by every way of copying."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildsys.image import (
    AppendLines,
    CopyContext,
    CopyImage,
    CopyInside,
    Image,
    MovePath,
)
from buildsys.plan.compile import compile_plan
from buildsys.plan.write import write_plan
from tests.busybox import Ground, put_base
from tests.plan.sets import BASE, image, image_set
from tests.stores import store

pytestmark = pytest.mark.real

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
"""cap_net_raw=ep"""
GIVEN = {"security.capability": CAPABILITY, "user.mime": b"a\0\xff"}
LINKS = ("one", "two words", "deep/grün")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A set that copies one folder by every way, built."""
    place = tmp_path_factory.mktemp("copied")
    files = place / "set/files"
    folder = files / "tree"
    (folder / "deep").mkdir(parents=True)
    (folder / "empty/inner").mkdir(parents=True)
    (folder / "one").write_text("x" * 100_000)
    (folder / "one").chmod(0o755)
    for name, value in {**GIVEN, "user.xdg.origin.url": b"http://example.org/"}.items():
        os.setxattr(folder / "one", name, value)
    for name in LINKS[1:]:
        (folder / name).hardlink_to(folder / "one")
    with store(place / "store") as made:
        put_base(made, place / "base")
        ground = Ground(made, place / "plan")
        write_plan(compile_plan(image_set(place / "set", images())), ground.plan)
        done = ground.call("run.sh")
        assert done.returncode == 0, done.stderr
        yield ground


def images() -> list[Image]:
    def within(source: str, to: str, *, preserve: bool = False) -> CopyInside:
        return CopyInside(source=source, to=to, preserve=preserve, optional=False)

    def other(source: str, to: str, owner: str = "", mode: str = "") -> CopyImage:
        return CopyImage(image="first", source=source, to=to, mode=mode, owner=owner)

    return [
        image(
            "first",
            BASE,
            CopyContext(source="tree", to="/files", mode="", owner=""),
            CopyContext(source="tree", to="/owned", mode="", owner="7:8"),
            within("/files", "/inside"),
            within("/files", "/preserved", preserve=True),
        ),
        image(
            "second",
            BASE,
            other("/files", "/other"),
            other("/files", "/other-owned", "7:8", "755"),
            other("/files", "/etc/"),
            other("/files/one", "/file"),
            other("/files/one", "/file-owned", "7"),
        ),
        image("third", "first", within("/files", "/again"), MovePath(source="/owned", to="/moved")),
    ]


TREES = {
    "first": ("files", "owned", "inside", "preserved"),
    "second": ("other", "other-owned", "etc/files"),
    "third": ("again", "moved", "files"),
}


@pytest.mark.parametrize(("name", "tree"), [(name, tree) for name in TREES for tree in TREES[name]])
def test_a_folder_keeps_attributes_links_and_empty_folders(built: Ground, name: str, tree: str) -> None:
    with mounted(built, name) as root:
        places = [root / tree / link for link in LINKS]
        assert {given(place) for place in places} == {tuple(sorted(GIVEN.items()))}
        assert len({place.stat().st_ino for place in places}) == 1
        assert places[0].stat().st_nlink == len(LINKS)
        assert (root / tree / "empty/inner").is_dir()
        owner = (7, 8) if tree in {"owned", "other-owned", "moved"} else (0, 0)
        owners = [(at.stat().st_uid, at.stat().st_gid) for at in (*places, root / tree / "empty/inner")]
        assert set(owners) == {owner}


@pytest.mark.parametrize("file", ["file", "file-owned"])
def test_a_file_keeps_attributes(built: Ground, file: str) -> None:
    with mounted(built, "second") as root:
        assert given(root / file) == tuple(sorted(GIVEN.items()))


def test_a_layer_holds_linked_files_once(built: Ground) -> None:
    """Three names of 100 kB, in seven trees."""
    for name, trees in TREES.items():
        manifest = built.store.buildah(
            "inspect", "--type", "image", "--format", "{{.Manifest}}", reference(name)
        )
        size = json.loads(manifest)["layers"][-1]["size"]
        assert size < 100_000 * (len(trees) + 2) + 50_000


def reference(name: str) -> str:
    return f"localhost/tests/t-{name}:1"


def given(path: Path) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, os.getxattr(path, name)) for name in sorted(os.listxattr(path)))


class mounted:  # noqa: N801 - reads as a verb
    """The files of an image that was built, as they lie in the store."""

    def __init__(self, ground: Ground, name: str) -> None:
        self._store = ground.store
        self._container = ground.store.buildah("from", "--pull-never", reference(name)).strip()

    def __enter__(self) -> Path:
        return Path(self._store.buildah("mount", self._container).strip())

    def __exit__(self, *_: object) -> None:
        subprocess.run(
            ["buildah", *self._store.options.split(), "rm", self._container], check=True, capture_output=True
        )


def test_equal_files_of_another_image_rebuild_nothing(tmp_path: Path) -> None:
    """`taker` copies two paths; what else becomes of the image that gives them is nothing to it."""

    def world(one: str, two: str, more: str) -> list[Image]:
        def writes(path: str, text: str) -> AppendLines:
            return AppendLines(file=path, lines=(text,))

        def copies(path: str) -> CopyImage:
            return CopyImage(image="giver", source=path, to="/copied/", mode="", owner="")

        giver = image("giver", BASE, writes("/one", one), writes("/two/deep", two), writes("/more", more))
        return [giver, image("taker", BASE, copies("/one"), copies("/two")), image("child", "taker")]

    def built(*texts: str) -> dict[str, str]:
        ground.build(world(*texts))
        events = map(json.loads, (ground.plan / "events.jsonl").read_text().splitlines())
        return {event["image"]: event["reason"] for event in events if event["event"] == "built"}

    with store(tmp_path / "store") as made:
        put_base(made, tmp_path / "base")
        ground = Ground(made, tmp_path / "plan")
        assert set(built("1", "2", "3")) == {"giver", "taker", "child"}
        was = made.names()[reference("taker")]
        assert set(built("1", "2", "other")) == {"giver"}
        assert made.names()[reference("taker")] == was
        assert built("1", "2", "other") == {}
        assert built("1", "new", "other") == {
            "giver": "recipe changed: recipes/tiny/images/giver.yaml:5:5",
            "taker": "copied-from image changed: giver",
            "child": "parent changed: taker",
        }
        # An image that returns to what it was is there, with all that was made from it.
        assert built("1", "2", "other") == {}
        assert made.names()[reference("taker")] == was
        # Of a plan that was never run nothing is known, and the keys are there.
        shutil.rmtree(ground.plan)
        assert built("1", "2", "other") == {}
        assert set(built("1", "2", "once more")) == {"giver", "taker"}
        assert made.names()[reference("taker")] == was
        assert set(built("1", "2", "the last time")) == {"giver"}
        # An image that is gone is built, whatever is known of it.
        keys = [name for name in made.names() if name.startswith("localhost/buildsys-key/tiny/taker:")]
        made.buildah("rmi", reference("child"), ground.key("child"))
        made.buildah("rmi", "--force", reference("taker"), *keys)
        assert "taker" in built("1", "2", "the last time")
