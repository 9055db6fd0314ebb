"""How packages of a lock come from the host's sources into the pool."""

from __future__ import annotations

import shutil

from tests.apt.debs import ARCH, give
from tests.apt.world import World
from tests.lock.world import Told


def test_each_is_fetched_once_and_none_when_nothing_is_missing(world: World) -> None:
    lock = world.lock()
    filled = world.fill(lock)
    there = [path.name for path in world.places.packages.iterdir()]
    assert sorted(there) == sorted(item.pooled for item in lock.packages().values())
    assert filled.site.pool == str(world.places.packages)
    asked = len(world.server.asked)
    world.fill(lock)
    assert len(world.server.asked) == asked


def test_what_breaks_off_is_gone_on_with(world: World) -> None:
    lock = world.lock()
    world.server.breaks[f"ground_1.0-1_{ARCH}.deb"] = 2
    world.fill(lock)
    begun = [int(path.partition("@")[2] or 0) for path in world.server.asked if "ground_" in path]
    assert begun[0] == 0 < begun[1] < begun[2]


def test_what_a_killed_run_left_is_gone_on_with(world: World) -> None:
    lock = world.lock()
    ground = lock.packages()[f"ground-1.0-1.{ARCH}"]
    left = world.places.pool / "part" / ground.checksum.partition(":")[2]
    left.parent.mkdir(parents=True)
    left.write_bytes(world.debs["ground"].read_bytes()[:1000])
    world.fill(lock)
    assert f"/ground_1.0-1_{ARCH}.deb@1000" in world.server.asked
    assert world.places.package(ground).read_bytes() == world.debs["ground"].read_bytes()


def test_a_server_that_is_busy_is_asked_again(world: World) -> None:
    lock = world.lock()
    world.server.refuses["/mid_1.0-1_all.deb"] = [503, 503]
    world.fill(lock)
    assert world.server.count("/mid_1.0-1_all.deb") == 3


def test_what_came_stays_when_others_do_not(world: World, told: Told) -> None:
    lock = world.lock()
    (world.place / "web/leaf_1.0_all.deb").unlink()
    told(lambda: world.fill(lock), "package-vanished", "package-vanished-fetching")
    assert len([*world.places.packages.iterdir()]) == len(lock.packages()) - 1


def test_another_file_under_the_same_name(world: World, told: Told) -> None:
    lock = world.lock()
    file = world.place / "web/leaf_1.0_all.deb"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    told(lambda: world.fill(lock), "wrong-checksum")
    assert len([*world.places.packages.iterdir()]) == len(lock.packages()) - 1


def test_a_file_that_is_always_cut_short(world: World, told: Told) -> None:
    lock = world.lock()
    file = world.place / "web/leaf_1.0_all.deb"
    file.write_bytes(file.read_bytes()[:-100])
    told(lambda: world.fill(lock), "package-truncated")


def test_apt_need_not_remember_where_a_lock_was_made(world: World) -> None:
    lock = world.lock()
    shutil.rmtree(world.places.metadata)
    world.fill(lock)
    assert len([*world.places.packages.iterdir()]) == len(lock.packages())


def test_what_one_mirror_does_not_give_the_next_one_may(world: World) -> None:
    mirror = world.place / "mirror"
    shutil.copytree(world.place / "web", mirror)
    with (world.place / "host/etc/apt/sources.list").open("a") as sources:
        sources.write(f"deb [trusted=yes] file:{mirror} ./\n")
    lock = world.lock()
    assert {item.repository for item in lock.packages().values()} == {"stones"}
    (world.place / "web/leaf_1.0_all.deb").unlink()
    world.fill(lock)
    assert len([*world.places.packages.iterdir()]) == len(lock.packages())


def test_a_name_that_two_publishers_use_says_whose_it_is(world: World) -> None:
    theirs = world.place / "theirs"
    give(theirs, [world.debs["modern"], world.debs["leaf_1.1"], world.debs["libmid_1.1"]])
    release = theirs / "Release"
    release.write_text(f"Origin: Somebody\n{release.read_text()}")
    with (world.place / "host/etc/apt/sources.list").open("a") as sources:
        sources.write(f"deb [trusted=yes] file:{theirs} ./\n")
    world.recipe("tip", "from: middle\npackages: [modern]\n")
    lock = world.lock()
    there = {item.name: item.repository for item in lock.packages().values()}
    assert (there["modern"], there["other"]) == ("Somebody:stones", ":stones")
    world.fill(lock)
    assert len([*world.places.packages.iterdir()]) == len(lock.packages())


def test_a_source_that_went_away(world: World, told: Told) -> None:
    lock = world.lock()
    (world.place / "host/etc/apt/sources.list").write_text("")
    shutil.rmtree(world.places.metadata)
    told(lambda: world.fill(lock), "package-vanished", "package-vanished-source")
