"""Images built from exported Containerfiles beside those that the plan builds: the same, but for the hour."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.exporters import FORMATS
from buildsys.exporters.directory import write_export
from buildsys.image import ImageSet, Run
from tests.exporters.sets import data_set, subject
from tests.exporters.trees import described, differing, leavings
from tests.plan.sets import BASE, image, image_set
from tests.runtime.builds import Build, put_busybox
from tests.stores import Store, store

pytestmark = pytest.mark.real


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """One for the plan, one for the export; both have the base."""
    with store(tmp_path / "plan-store") as one, store(tmp_path / "export-store") as other:
        for each in (one, other):
            put_busybox(each)
        yield one, other


def build_tree(tree: Path, into: Store, builder: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BUILDER": builder, "BUILDER_OPTIONS": into.options, **more}
    environment["BUILD_OPTIONS"] = "--isolation chroot --pull=false"
    command = [str(tree / "build.sh")]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def references(made: ImageSet) -> list[str]:
    return [str(item.reference) for item in made.images.values()]


def test_an_image_of_a_containerfile_is_that_of_the_plan(stores: tuple[Store, Store], tmp_path: Path) -> None:
    made = plan_and_export(data_set(tmp_path / "set"), stores[0], tmp_path)
    done = build_tree(tmp_path / "tree", stores[1], "buildah")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = [text for reference in references(made) for text in differences(reference, *stores)]
    assert not wrong, "\n".join(wrong)


def test_podman_builds_the_same(stores: tuple[Store, Store], tmp_path: Path) -> None:
    whole = data_set(tmp_path / "set")
    few = {name: whole.images[name] for name in ("base", "tools")}
    made = plan_and_export(replace(whole, images=few), stores[0], tmp_path)
    done = build_tree(tmp_path / "tree", stores[1], "podman")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = [text for reference in references(made) for text in differences(reference, *stores)]
    assert not wrong, "\n".join(wrong)


def test_what_depends_on_a_failure_is_blocked_and_the_rest_is_built(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    fails = image("fails", BASE, Run(argv=("sh", "-c", "echo no luck; exit 3"), open_files=0))
    blocked = image("blocked", "fails")
    other = image("other", BASE)
    export(image_set(tmp_path / "set", [fails, blocked, other]), tmp_path)
    done = build_tree(tmp_path / "tree", stores[1], "buildah", KEEP_GOING="1")
    assert done.returncode == 1
    assert "no luck" in done.stdout + done.stderr
    for said in ("error: fails could not be built\n", "blocked: blocked by fails\n", "1 built, 2 not\n"):
        assert said in done.stderr
    names = stores[1].names()
    assert "localhost/tests/t-other:1" in names
    assert "localhost/tests/t-blocked:1" not in names
    unknown = subprocess.run(
        [tmp_path / "tree/build.sh", "nothing"], check=False, capture_output=True, text=True
    )
    assert (unknown.returncode, unknown.stderr) == (2, "error: there is no image nothing\n")


def export(made: ImageSet, place: Path) -> None:
    write_export(FORMATS["containerfiles"].export(subject(made)), "containerfiles", place / "tree")


def plan_and_export(made: ImageSet, planned: Store, place: Path) -> ImageSet:
    build = Build(place / "plan", planned)
    build.compile(made)
    build.built()
    export(made, place)
    return made


def differences(reference: str, planned: Store, exported: Store) -> Iterator[str]:
    ours, theirs = (described(reference, each.options) for each in (planned, exported))
    left = leavings(theirs[1], ours[1])
    kept = {path: entry for path, entry in theirs[1].items() if path not in left}
    for what, pair in (*differing(theirs[0], ours[0]), *differing(kept, ours[1])):
        yield f"{reference} {what}: {pair}"
