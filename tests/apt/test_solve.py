"""Locks of sets that apt installs: what is in them, what stays, what moves, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from buildsys.lock.diff import Split, splits
from buildsys.lock.lockfile import read, text, write
from tests.apt.world import FIRST, World, rows
from tests.lock.world import Told

LATER = (*FIRST, "seed", "libmid_1.1", "mid_1.1", "leaf_1.1")
"""What the source holds some days later, beside what it held."""
OLD = {
    "base": ["ground 1.0-1", "plain 1.0-1"],
    "middle": ["libmid 1.0-1", "mid 1.0-1"],
    "side": ["other 1.0-1"],
    "tip": ["seed 1.0-1", "leaf 1:1.0"],
}
NEW = OLD | {"middle": ["libmid 1.1-1", "mid 1.1-1"], "tip": ["leaf 1:1.1"]}


def test_an_image_has_what_its_parent_has_not(world: World) -> None:
    assert rows(world.lock()) == OLD


def test_what_must_be_configured_before_more_is_unpacked(world: World) -> None:
    lock = world.lock()
    assert [step.early for step in lock.images["tip"].steps] == [((1, ("seed",)),)]
    assert [step.early for step in lock.images["middle"].steps] == [()]


def test_a_row(world: World) -> None:
    leaf = world.lock().packages()["leaf-1:1.0.all"]
    assert (leaf.name, leaf.epoch, leaf.version, leaf.release, leaf.arch) == ("leaf", "1", "1.0", "", "all")
    assert (leaf.repository, leaf.location, leaf.source) == ("stones", "leaf_1.0_all.deb", "leaf_1:1.0")
    assert leaf.size == world.debs["leaf"].stat().st_size
    assert leaf.installed > 0
    assert world.lock().packages()["mid-1.0-1.all"].source == "stones_1.0-1"


def test_it_is_read_as_it_was_written_and_names_no_address(world: World) -> None:
    lock = world.lock()
    write(lock, world.lock_file)
    assert read(world.lock_file, image_set="demo", site="here") == lock
    assert "127.0.0.1" not in text(lock)


def test_equal_answers_are_equal_bytes(world: World) -> None:
    first = text(world.lock())
    shutil.rmtree(world.places.metadata)
    assert text(world.lock()) == first


def test_nothing_of_the_host_is_written(world: World) -> None:
    before = sorted(world.place.joinpath("host").rglob("*"))
    world.fill(world.lock())
    assert sorted(world.place.joinpath("host").rglob("*")) == before


def test_what_is_in_a_lock_stays_and_what_is_new_is_the_newest(world: World) -> None:
    old = world.lock()
    world.source(*LATER, time=1700000001)
    assert rows(world.lock(old)) == OLD
    world.recipe("side", "from: base\npackages: [other, mid]\n")
    assert rows(world.lock(old)) == OLD | {"side": ["libmid 1.1-1", "mid 1.1-1", "other 1.0-1"]}


def test_all_may_move(world: World) -> None:
    old = world.lock()
    world.source(*LATER, time=1700000001)
    assert rows(world.lock(old, update=True)) == NEW


def test_one_image_may_move_and_takes_along_what_it_needs(world: World) -> None:
    old = world.lock()
    world.source(*LATER, time=1700000001)
    new = world.lock(old, "tip")
    # apt moves packages of one source together.
    assert rows(new) == OLD | {"tip": ["libmid 1.1-1", "leaf 1:1.1", "mid 1.1-1"]}
    assert splits(new) == [Split("stones", (("1.0-1", ("middle",)), ("1.1-1", ("tip",))))]


def test_what_is_held_is_no_burden_on_its_source(world: World) -> None:
    """A package that the source has no more is known by its file, as long as the pool has it."""
    old = world.lock()
    world.fill(old)
    world.source("ground", "plain", "libmid_1.1", "mid_1.1", "leaf", "seed", "other", time=1700000001)
    world.recipe("tip", "from: middle\npackages: [leaf, other]\n")
    assert rows(world.lock(old)) == OLD | {"tip": ["seed 1.0-1", "leaf 1:1.0", "other 1.0-1"]}


def test_packages_are_removed_from_what_children_are_solved_against(world: World) -> None:
    world.recipe("middle", "from: base\npackages: [mid]\nsteps: [{remove-packages: [mid]}]\n")
    world.recipe("tip", "from: middle\npackages: [mid]\n")
    assert rows(world.lock())["tip"] == ["mid 1.0-1"]


def test_updates_all(world: World) -> None:
    old = world.lock()
    world.source(*LATER, time=1700000001)
    world.recipe("side", "from: middle\nsteps: [{update: true}]\n")
    assert rows(world.lock(old)) == OLD | {"side": ["libmid 1.1-1", "mid 1.1-1"]}


def test_copies_from_a_package(world: World) -> None:
    world.recipe("side", "from: base\nsteps:\n  - {copy: /x, from: {package: other}, to: /x}\n")
    assert world.lock().payloads["other"].evr == "1.0-1"


def test_a_name_that_a_package_stands_in_for(world: World) -> None:
    world.source(*FIRST, "seed", "stand-in")
    world.recipe("side", "from: base\npackages: [mail-of-some-kind]\n")
    assert rows(world.lock())["side"] == ["stand-in 1.0-1"]


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_package_in_no_source(world: World, told: Told) -> None:
    world.recipe("side", "from: base\npackages: [other, libmit]\n")
    told(world.lock, "package-missing")


def test_a_name_is_no_pattern(world: World, told: Told) -> None:
    world.recipe("side", "from: base\npackages: [oth.r]\n")
    told(world.lock, "package-missing", "package-missing-pattern")


@pytest.mark.parametrize("package", ["needy", "enemy"])
def test_packages_that_cannot_be_together(world: World, told: Told, package: str) -> None:
    world.source(*FIRST, "seed", "needy", "enemy")
    world.recipe("tip", f"from: middle\npackages: [{package}]\n")
    told(world.lock, "package-unsolvable", f"package-unsolvable-{package}")


def test_removing_what_others_need(world: World, told: Told) -> None:
    world.recipe("tip", "from: middle\nsteps: [{remove-packages: [libmid]}]\n")
    told(world.lock, "package-unsolvable", "package-unsolvable-removed")


def test_held_and_gone(world: World, told: Told) -> None:
    old = world.lock()
    world.source("ground", "plain", "libmid_1.1", "mid_1.1", "leaf", "seed", "other", time=1700000001)
    world.recipe("tip", "from: middle\npackages: [leaf, other]\n")
    told(lambda: world.lock(old), "package-vanished")


def test_held_and_in_the_way(world: World, told: Told) -> None:
    old = world.lock()
    world.source(*FIRST, "seed", "libmid_1.1", "leaf_1.1", "modern", time=1700000001)
    world.recipe("tip", "from: middle\npackages: [leaf, modern]\n")
    told(lambda: world.lock(old), "lock-held")


def test_a_source_that_went_back(world: World, told: Told) -> None:
    old = world.lock()
    # As long as apt remembers, it does not go back itself.
    shutil.rmtree(world.places.metadata)
    world.source(*FIRST, "seed", time=1600000000)
    told(lambda: world.lock(old, update=True), "repository-older")


def test_a_source_that_does_not_answer(world: World, told: Told) -> None:
    sources = world.place / "host/etc/apt/sources.list"
    sources.write_text("deb [trusted=yes] http://127.0.0.1:1 ./\n")
    told(world.lock, "repository-unreachable")


def test_a_source_that_nobody_signs(world: World, told: Told) -> None:
    (world.place / "host/etc/apt/sources.list").write_text(f"deb {world.server.address} ./\n")
    told(world.lock, "repository-unreachable", "repository-unreachable-unsigned")


def test_an_index_that_is_not_the_one_of_the_release(world: World, told: Told) -> None:
    index = world.place / "web/Packages"
    index.write_text(index.read_text().replace("Package: other", "Package: otter"))
    told(world.lock, "repository-unreachable", "repository-unreachable-lying")


def test_a_host_without_apt(world: World, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path("nowhere")))
    told(world.lock, "missing-tool")
