"""What the solver answers, and in which words it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.lock.rpm_solver.solver_library import Unreachable
from tests.lock.world import FIRST, SITE, Told, World, refusal, rows

LATER = 1700009999
BASE = "ground-1.0-1.noarch"
ALL = (*FIRST, "libmid-1.1", "mid-1.1", "mid-extra-1.1", "leaf-1.1", "new-name-1.1", "wants-new-1.1")


def test_each_image_gets_its_own_packages_and_none_that_it_inherits(world: World) -> None:
    world.recipe("tip", "from: middle\npackages: [leaf, mid, ground]\n")
    lock = world.lock()
    assert rows(lock) == {
        "base": [BASE],
        "middle": ["libmid-1.0-1.noarch", "mid-1.0-1.noarch"],
        "tip": ["leaf-1.0-1.noarch"],
        "side": ["other-1.0-1.noarch"],
    }
    (package,) = lock.images["side"].packages()
    file = world.stones.files["other-1.0"]
    assert (package.size, package.source) == (file.stat().st_size, "stones-1.0-1.src.rpm")
    assert lock.repositories["quarry"].time == 1700000000


def test_several_transactions_of_an_image(world: World) -> None:
    world.recipe(
        "side",
        "from: base\npackages: [other]\n"
        "steps:\n  - packages: [mid]\n  - remove-packages: [mid, libmid]\n  - packages: [libmid]\n",
    )
    steps = [[item.nevra for item in step.packages] for step in world.lock().images["side"].steps]
    assert steps == [
        ["other-1.0-1.noarch"],
        ["libmid-1.0-1.noarch", "mid-1.0-1.noarch"],
        [],
        ["libmid-1.0-1.noarch"],
    ]


def test_equal_questions_get_equal_answers(world: World) -> None:
    assert world.lock() == world.lock()


# ── what moves, and what stays ──────────────────────────────────────────────────────────────────────────────


def test_without_update_nothing_moves_and_what_is_new_is_added(world: World) -> None:
    old = world.lock()
    world.packages(*ALL, time=LATER)
    world.recipe("side", "from: base\npackages: [other, mid-extra]\n")
    new = rows(world.lock(old))
    # Not in this image's lock so far, so they come as they are now, and fit together.
    assert new["side"] == [
        "libmid-1.1-1.noarch",
        "mid-1.1-1.noarch",
        "mid-extra-1.1-1.noarch",
        "other-1.0-1.noarch",
    ]
    assert {name: new[name] for name in ("base", "middle", "tip")} == {
        name: rows(old)[name] for name in ("base", "middle", "tip")
    }


def test_without_update_a_package_of_the_parent_stays(world: World) -> None:
    old = world.lock()
    world.packages(*ALL, time=LATER)
    world.recipe("tip", "from: middle\npackages: [leaf, mid-extra]\n")
    assert rows(world.lock(old))["tip"] == ["leaf-1.0-1.noarch", "mid-extra-1.0-1.noarch"]


def test_update_moves_everything(world: World) -> None:
    old = world.lock()
    world.packages(*ALL, time=LATER)
    new = rows(world.lock(old, update=True))
    assert new["middle"] == ["libmid-1.1-1.noarch", "mid-1.1-1.noarch"]
    assert new["tip"] == ["leaf-1.1-1.noarch"]


def test_update_of_named_images_moves_only_theirs(world: World) -> None:
    old = world.lock()
    world.packages(*ALL, time=LATER)
    new = world.lock(old, "tip")
    assert rows(new) == {**rows(old), "tip": ["leaf-1.1-1.noarch"]}


def test_an_image_that_cannot_keep_its_packages_is_named(world: World, told: Told) -> None:
    world.recipe("tip", "from: middle\npackages: [mid-extra]\n")
    old = world.lock()
    world.packages(*ALL, time=LATER)
    told(lambda: world.lock(old, "middle"), "lock-held")
    assert rows(world.lock(old, "middle", "tip"))["tip"] == ["mid-extra-1.1-1.noarch"]


def test_a_child_may_upgrade_what_its_parent_holds_but_no_more_than_it_must(world: World) -> None:
    world.recipe("middle", "from: base\npackages: [libmid, other, old-name]\n")
    old = world.lock()
    world.packages(*ALL, time=LATER)
    world.recipe("tip", "from: middle\npackages: [wants-new]\n")
    new = rows(world.lock(old, "tip"))
    assert new["middle"] == rows(old)["middle"]
    assert new["tip"] == ["libmid-1.1-1.noarch", "wants-new-1.1-1.noarch"]


def test_a_package_that_obsoletes_another_takes_its_place(world: World) -> None:
    world.packages(*ALL)
    world.recipe("middle", "from: base\npackages: [old-name, other]\n")
    world.recipe("tip", "from: middle\npackages: [new-name]\n")
    world.recipe("top", "from: tip\npackages: [leaf]\n")
    new = rows(world.lock())
    assert new["tip"] == ["new-name-1.1-1.noarch"]
    assert "old-name-1.0-1.noarch" not in new["top"]


def test_update_all_is_a_transaction_of_its_own(world: World) -> None:
    old = world.lock()
    world.packages(*ALL, time=LATER)
    world.recipe("tip", "from: middle\nsteps:\n  - update: true\n  - packages: [leaf]\n")
    locked = world.lock(old, "tip").images["tip"].steps
    assert [(step.asked, [item.nevra for item in step.packages]) for step in locked] == [
        (("update",), ["libmid-1.1-1.noarch", "mid-1.1-1.noarch"]),
        (("install", "leaf"), ["leaf-1.1-1.noarch"]),
    ]
    assert (
        world.lock(replace(old, images={**old.images, "tip": world.lock(old, "tip").images["tip"]}))
        .images["tip"]
        .steps
        == locked
    )


# ── what cannot be answered ─────────────────────────────────────────────────────────────────────────────────


def test_a_package_that_vanished(world: World, told: Told) -> None:
    old = world.lock()
    world.packages(*(name for name in FIRST if name != "leaf-1.0"), "leaf-1.1", time=LATER)
    told(lambda: world.lock(old, "side"), "package-vanished")
    assert rows(world.lock(old, "tip"))["tip"] == ["leaf-1.1-1.noarch"]


def test_a_package_that_vanished_and_is_not_needed_any_more(world: World) -> None:
    old = world.lock()
    world.packages(*(name for name in FIRST if name != "leaf-1.0"), time=LATER)
    world.recipe("tip", "from: middle\npackages: [enemy]\n")
    world.recipe("middle", "from: base\npackages: [old-name]\n")
    assert rows(world.lock(old))["tip"] == ["enemy-1.0-1.noarch"]


def test_a_package_that_is_in_no_repository(world: World, told: Told) -> None:
    world.recipe("side", "from: base\npackages: [other, ohter]\n")
    told(world.lock, "package-missing")


def test_packages_that_cannot_be_together(world: World, told: Told) -> None:
    world.recipe("tip", "from: middle\npackages: [enemy]\n")
    told(world.lock, "package-unsolvable")


def test_all_that_is_missing_is_told_at_once(world: World) -> None:
    world.recipe("side", "from: base\npackages: [none-such]\n")
    world.recipe("tip", "from: middle\npackages: [nor-this]\n")
    assert refusal(world.lock, "package-missing").count("error:") == 2


def test_a_repository_that_does_not_answer(world: World, told: Told) -> None:
    world.server.refuses["repomd.xml"] = [404] * 99
    told(world.lock, "repository-unreachable")


def test_a_repository_without_sha256(world: World, told: Told) -> None:
    world.index(1700000000, "--checksum=sha512")
    told(world.lock, "repository-unfit")


def test_a_repository_that_went_back(world: World, told: Told) -> None:
    old = world.lock()
    world.packages(*FIRST, time=1600000000)
    told(lambda: world.lock(old, update=True), "repository-older")


def test_without_dnf(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Told) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    told(world.lock, "missing-tool")


def test_what_a_site_leaves_out_is_left_out_of_the_lock(world: World) -> None:
    world.site(SITE + "left-out: {{gems: not signed}}\n")
    world.recipe("tip", "from: middle\npackages: [ruby]\n")
    world.recipe("top", "from: tip\npackages: [leaf]\n")
    world.recipe("thief", "from: base\nsteps:\n  - {copy: /usr/share/leaf, from: top, to: /srv/leaf}\n")
    lock = world.lock()
    assert lock.absent == {
        "tip": "no package ruby",
        "top": "it is made from tip",
        "thief": "it needs top",
    }
    assert lock.images.keys() == {"base", "middle", "side"}


def test_the_cause_that_dnf_only_logs() -> None:
    """Of the host's own repositories nobody else can ask; their addresses stay out of it."""
    first = "Errors during downloading metadata for repository 'stones':\n"
    first += "  - Curl error (7): Couldn't connect to server for http://a/ [Failed to connect]\n"
    both = first + "  - Status code: 404 for http://mia:secret@b/repodata/repomd.xml (IP: 127.0.0.1)"
    words = "Failed to download metadata for repo 'stones': Cannot download x: All mirrors were tried"
    found = Unreachable(words, [both])
    assert (found.repository, found.reason) == ("stones", "Status code: 404")
    assert Unreachable(words, [first]).reason == "Curl error (7): Couldn't connect to server"
    assert Unreachable("repo 'stones': it is no repository", [both]).reason == "it is no repository"
