"""No lock is made on top of what a Containerfile builds: nobody knows what that holds."""

from __future__ import annotations

from pathlib import Path

from buildsys.image import Install
from buildsys.lock.apply import apply_lock
from buildsys.lock.contents import unknown
from buildsys.lock.lockfile import Lock, LockedImage
from buildsys.lock.requests import bases
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


def test_what_a_containerfile_reads_from_elsewhere_is_pinned(tmp_path: Path) -> None:
    given = every_kind(tmp_path).images["given"]
    made = image_set(tmp_path, [given])
    assert list(bases(made)) == ["example.org/a"]
    images = {"given": LockedImage("base", ())}
    lock = Lock("tiny", "none", "", images, {}, {}, bases={"example.org/a": "sha256:" + "a" * 64})
    written = apply_lock(made, lock).images["given"].containerfile
    assert written is not None
    (other,) = written.others
    assert (other.written, other.reference) == ("example.org/a", "example.org/a@sha256:" + "a" * 64)
