"""Images built from exported Containerfiles beside those that the plan builds: the same, but for the hour."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildsys.exporters import FORMATS
from buildsys.exporters.directory import write_export
from buildsys.image import ImageSet
from tests.exporters.sets import data_set, subject
from tests.exporters.trees import described, differing, leavings
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


def build_tree(tree: Path, into: Store, builder: str, *names: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BUILDER": builder, "BUILDER_OPTIONS": into.options}
    environment["BUILD_OPTIONS"] = "--isolation chroot --pull=false"
    command = [str(tree / "build.sh"), *names]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def references(made: ImageSet) -> list[str]:
    return [str(item.reference) for item in made.images.values()]


def test_an_image_of_a_containerfile_is_that_of_the_plan(stores: tuple[Store, Store], tmp_path: Path) -> None:
    planned, exported = stores
    made = data_set(tmp_path / "set")
    build = Build(tmp_path / "plan", planned)
    build.compile(made)
    build.built()
    write_export(FORMATS["containerfiles"].export(subject(made)), "containerfiles", tmp_path / "tree")
    done = build_tree(tmp_path / "tree", exported, "buildah")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong: dict[str, object] = {}
    for reference in references(made):
        ours, theirs = (described(reference, each.options) for each in stores)
        wrong |= {f"{reference} {what}": pair for what, pair in differing(theirs[0], ours[0])}
        left = leavings(theirs[1], ours[1])
        kept = {path: entry for path, entry in theirs[1].items() if path not in left}
        wrong |= {f"{reference} {what}": pair for what, pair in differing(kept, ours[1])}
    assert not wrong, "\n".join(f"{what}: {pair}" for what, pair in wrong.items())
