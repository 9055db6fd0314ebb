"""No lock is made on top of what a Containerfile builds: nobody knows what that holds."""

from __future__ import annotations

from pathlib import Path

from buildsys.image import Install
from buildsys.lock.unknown import unknown
from tests.plan.sets import BASE, every_kind, image, image_set, package


def test_packages_on_top_of_a_containerfile(tmp_path: Path) -> None:
    given = every_kind(tmp_path).images["given"]
    install = Install(packages=(package("tree", "late", 4),))
    images = [
        image("base", BASE, install), image("tools", "base", install), given,
        image("between", "given"), image("late", "between", install),
    ]  # fmt: skip
    (mistake,) = unknown(image_set(tmp_path, images))
    assert mistake.text() == (
        "recipes/tiny/images/late.yaml:4:5: error: 'late' cannot be locked: "
        "'given' is built by a Containerfile, and what it holds is known only then [not-lockable]\n"
        "  recipes/tiny/images/given.yaml:1:8: 'given'\n"
        "  hint: install the packages in that Containerfile, or build --unlocked"
    )
