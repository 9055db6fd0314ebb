"""A mistake in a recipe turns the report red: for that image, with the fact it breaks, for nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, BuiltPike
from tests.stores import Store, store

from . import facts as known
from . import reference
from .check import Report, check
from .facts import Facts
from .reference import References
from .report import TOPICS, markdown
from .slips import BASE, LEAVES, Slip
from .store import opened

FACTS = known.load()
BEYOND = {
    "ulimit",  # leaves nothing in an image
    "yum_update",  # the stand-ins have one version of each package: there is nothing older to be left
}
"""Kinds of steps that no recipe can break here."""


def build(set_or_folder: str | Path, made: Store, *options: str | Path) -> None:
    """Build as a user does."""
    command = [ROOT / ".venv/bin/buildsys", "build", set_or_folder, *options]
    environment = {**os.environ, "MAKEFLAGS": "", "BS_STORE": made.options}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def slipped(slips: Iterable[Slip], place: Path) -> Path:
    """A copy of the set, with the slips in it."""
    recipes = place / "stable-pike"
    shutil.copytree(ROOT / "recipes/stable-pike", recipes)
    for made in slips:
        made.write(recipes)
    return recipes


def report(facts: Facts, made: Store, pike: BuiltPike) -> Report:
    """The report of what is in a store."""
    files = reference.payload(facts, pike.kolla_rpm)
    references = References(files, newest=reference.newest(pike.repository))
    with opened(made.root, made.runroot, tuple(facts.images)) as images:
        return check(facts, images, references)


@pytest.fixture(scope="module")
def of_leaves(built_pike: BuiltPike, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """All images, some with a slip in their recipe; afterwards the store is as it was."""
    before = built_pike.store.names()
    recipes = slipped(LEAVES, tmp_path_factory.mktemp("leaves"))
    try:
        build(recipes, built_pike.store, "--build-dir", built_pike.build)
        yield report(FACTS, built_pike.store, built_pike)
    finally:
        build("stable-pike", built_pike.store, "--build-dir", built_pike.build)
        after = built_pike.store.names()
    assert {name: after[name] for name in before} == before


@pytest.fixture(scope="module")
def of_base(built_pike: BuiltPike, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """The base alone, with many slips in its recipe."""
    place = tmp_path_factory.mktemp("base")
    recipes = slipped(BASE, place)
    facts = Facts({"base": FACTS.images["base"]}, FACTS.accounts, FACTS.versions)
    with store(place / "store") as made:
        build(recipes, made, "base", "--build-dir", built_pike.build, "-o", place / "plan")
        yield report(facts, made, built_pike)


@pytest.mark.real
@pytest.mark.parametrize(("name", "slips"), [("of_leaves", LEAVES), ("of_base", BASE)])
def test_the_report_is_red_for_each_slip_and_for_nothing_else(
    request: pytest.FixtureRequest, name: str, slips: tuple[Slip, ...]
) -> None:
    found: Report = request.getfixturevalue(name)
    red = {(item.image, str(item.fact)) for item in found.findings if item.verdict == "failed"}
    expected = {(slip.image, fact) for slip in slips for fact in slip.facts()}

    def meant(image: str, fact: str) -> set[tuple[str, str]]:
        return {
            (image, start)
            for there, start in expected
            if there == image and f"{fact} ".startswith(f"{start} ")
        }

    assert {item for item in red if not meant(*item)} == set(), markdown(found)
    assert expected - {start for item in red for start in meant(*item)} == set(), markdown(found)


def test_every_kind_of_fact_is_broken_by_a_slip() -> None:
    broken = {fact.partition(": ")[2] for slip in (*LEAVES, *BASE) for fact in slip.facts()}
    kinds = {fact.split()[2] for fact in broken if fact.startswith("step ")}
    assert kinds == {step.kind for step in FACTS.steps} - BEYOND
    topics = {topic for topic in TOPICS if any(f"{fact} ".startswith(f"{topic} ") for fact in broken)}
    assert topics == TOPICS - {"image"}, "a recipe cannot leave out its image"
