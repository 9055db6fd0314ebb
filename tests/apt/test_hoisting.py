"""`buildsys packages`: what images install themselves, and what could be installed once."""

from __future__ import annotations

import json

from buildsys.image import LockedPackage
from buildsys.lock.diff import Hoist, Own, hoists, own
from buildsys.lock.lockfile import Lock, LockedImage, LockedStep
from tests.apt.world import World

SIZES = {"python": 100, "perl": 50, "one": 7, "two": 9}


def locked(**images: tuple[str, str]) -> Lock:
    """A lock of images, each with what it is made from and the names of its packages."""

    def package(name: str) -> LockedPackage:
        return LockedPackage(name, "", "1", "1", "all", "os", "sha256:0", f"{name}.deb", 1, "", SIZES[name])

    return Lock(
        "demo",
        "here",
        "",
        {
            name: LockedImage(parent, (LockedStep(("install",), tuple(map(package, packages.split()))),))
            for name, (parent, packages) in images.items()
        },
        {},
        {},
    )


TREE = locked(
    base=("", "one"),
    services=("base", ""),
    api=("services", "python perl"),
    agent=("services", "python two"),
    idle=("services", ""),
    database=("base", "perl"),
    more=("api", ""),
)


def test_what_images_install_themselves() -> None:
    found = [item for item in own(TREE) if item.bytes]
    assert found == [Own("api", 2, 150), Own("agent", 2, 109), Own("database", 1, 50), Own("base", 1, 7)]


def test_what_is_installed_twice_could_be_installed_by_the_nearest_image_that_all_are_made_from() -> None:
    assert hoists(TREE) == [
        Hoist("services", ("agent", "api"), ("python",), 100, ("idle",)),
        Hoist("base", ("api", "database"), ("perl",), 50, ("agent", "idle")),
    ]


def test_what_shares_no_parent_stays() -> None:
    assert hoists(locked(one=("", "python"), two=("", "python"))) == []


def test_the_verb(world: World) -> None:
    world.recipe("side", "from: base\npackages: [mid]\n")
    done = world.buildsys("packages", "demo/")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:3] for row in rows if row[0] == "own"] == [
        ["own", "base", "2"], ["own", "middle", "2"], ["own", "side", "2"], ["own", "tip", "2"]
    ]  # fmt: skip
    assert [row[:2] + row[3:] for row in rows if row[0] == "move"] == [
        ["move", "base", "middle side", "libmid mid", "0"]
    ]
    (move,) = json.loads(world.buildsys("packages", "demo/", "--json").stdout)["move"]
    assert move["packages"] == ["libmid", "mid"]
    assert move["bytes"] > 0
