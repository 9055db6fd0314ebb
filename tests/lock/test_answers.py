"""A lock and a set that has changed since: what is told, at which line, and what is no change at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildsys.image import ImageSet
from buildsys.lock.check import differences, require_answer
from buildsys.lock.lockfile import Lock, LockedImage, LockedStep, Metadata
from tests.lock.test_file import package
from tests.lock.world import Told, World

IMAGES = {
    "base": LockedImage("", (LockedStep(("install", "ground"), (package("ground"),)),)),
    "middle": LockedImage("base", (LockedStep(("install", "mid"), (package("mid"),)),)),
    "tip": LockedImage("middle", (LockedStep(("install", "leaf"), (package("leaf"),)),)),
    "side": LockedImage("base", (LockedStep(("install", "other"), (package("other"),)),)),
}
LOCK = Lock("demo", "far", "", IMAGES, {}, {"quarry": Metadata("", "", 0)})


def require(world: World, lock: Lock = LOCK) -> None:
    require_answer(world.resolved(), lock, "demo/locks/far.yaml")


def found(image_set: ImageSet, lock: Lock = LOCK) -> list[str]:
    return [what for _, what, _ in differences(image_set, lock)]


def test_it_answers(world: World) -> None:
    require(world)


def test_what_is_no_question_of_packages_does_not_matter(world: World) -> None:
    world.recipe("tip", "# moved down\nfrom: middle\nuser: nobody\nlabels: {a: b}\npackages:\n  - leaf\n")
    require(world)


def test_an_image_that_is_gone_does_no_harm(world: World) -> None:
    (world.set / "images/side.yaml").unlink()
    require(world)


def test_another_package(world: World, told: Told) -> None:
    world.recipe("tip", "from: middle\npackages: [leaf, mid-extra]\n")
    told(lambda: require(world), "lock-outdated")


def test_one_package_less(world: World, told: Told) -> None:
    world.recipe("tip", "from: middle\npackages: [mid]\n")
    world.recipe("middle", "from: base\npackages: [mid]\nsteps:\n  - update: true\n")
    told(lambda: require(world), "lock-outdated", "lock-outdated-fewer")


def test_another_parent(world: World, told: Told) -> None:
    world.recipe("tip", "from: side\npackages: [leaf]\n")
    told(lambda: require(world), "lock-outdated", "lock-outdated-parent")


def test_a_new_image(world: World, told: Told) -> None:
    world.recipe("new", "from: base\n")
    told(lambda: require(world), "lock-outdated", "lock-outdated-image")


STEPS = {
    "no longer has an instruction to install leaf": "from: middle\n",
    "now has another instruction here": "from: middle\nbefore:\n  - update: true\n",
    "now copies from the package other": "from: middle\npackages: [leaf]\nsteps:\n"
    "  - {copy: /usr/share/other, from: {package: other}, to: /srv/other}\n",
    "now downloads https://example.org/a": "from: middle\npackages: [leaf]\nsteps:\n"
    f"  - {{download: https://example.org/a, to: /srv/a, sha256: {'a' * 64}}}\n",
}


@pytest.mark.parametrize("what", [*STEPS])
def test_other_instructions(world: World, what: str) -> None:
    world.recipe("tip", STEPS[what])
    assert found(world.resolved()) == [f"'tip' {what}"]


def test_another_checksum_of_a_download(world: World) -> None:
    url = "https://example.org/a"
    world.recipe("tip", f"{STEPS['now downloads ' + url]}")
    assert found(world.resolved(), replace(LOCK, downloads={url: "a" * 64})) == []
    assert found(world.resolved(), replace(LOCK, downloads={url: "b" * 64})) == [
        f"the checksum of {url} is now another"
    ]


def test_another_base_image(world: World) -> None:
    world.site("site: far\ninstaller: dnf\nbase: {{image: docker.io/library/rock:2}}\nrepositories: host\n")
    assert "the base image is now docker.io/library/rock:2" in found(world.resolved())


def test_a_repository_less(world: World, told: Told) -> None:
    world.site(
        "site: far\ninstaller: dnf\nbase: {{bootstrap: [ground]}}\n"
        "repositories:\n  pit: {{url: {address}, key: files/KEY}}\n"
    )
    told(lambda: require(world), "lock-outdated", "lock-outdated-repository")
