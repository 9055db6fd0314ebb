"""The built set is what the facts say, and the report of it turns red for each fact that is broken.

The store comes from BUILDSYS_CONFORMANCE_STORE, a folder with `root` and `run`, or from the session's own
build, the fixture `built_pike`. What copied files must equal is the payload of `kolla_rpm`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import facts as known
from . import reference
from .check import check, check_image, scenes
from .model import BuiltImage
from .mutations import broken, broken_configuration
from .reference import References
from .report import markdown
from .scene import Scene
from .store import opened

pytestmark = pytest.mark.real

FACTS = known.load()


@dataclass(frozen=True)
class Given:
    """A built store, and what its files are compared with where a build brings that along."""

    root: Path
    runroot: Path
    kolla_rpm: Path | None = None
    repository: Path | None = None


@pytest.fixture(scope="module")
def given(request: pytest.FixtureRequest) -> Given:
    if place := os.environ.get("BUILDSYS_CONFORMANCE_STORE"):
        rpm = os.environ.get("BUILDSYS_CONFORMANCE_KOLLA_RPM")
        return Given(Path(place, "root"), Path(place, "run"), Path(rpm) if rpm else None)
    built = request.getfixturevalue("built_pike")
    return Given(
        Path(built.root),
        Path(built.runroot),
        getattr(built, "kolla_rpm", None),
        getattr(built, "repository", None),
    )


@pytest.fixture(scope="module")
def references(given: Given) -> References:
    files = reference.payload(FACTS, given.kolla_rpm) if given.kolla_rpm else reference.published(FACTS)
    return References(files, newest=reference.newest(given.repository) if given.repository else {})


@pytest.fixture(scope="module")
def built(given: Given) -> Iterator[dict[str, BuiltImage]]:
    with opened(given.root, given.runroot, tuple(FACTS.images)) as images:
        yield images


def test_every_image_is_what_the_facts_say(built: dict[str, BuiltImage], references: References) -> None:
    report = check(FACTS, built, references)
    wrong = [str(finding) for finding in report.findings if finding.verdict == "failed"]
    assert wrong == [], markdown(report)


@pytest.mark.parametrize("name", ["base", "horizon", "haproxy", "nova-api"])
def test_each_broken_fact_turns_the_report_red(
    built: dict[str, BuiltImage], references: References, name: str
) -> None:
    scene = scenes(FACTS, built)[name]
    findings = list(check_image(scene, references))
    told = {finding.fact for finding in findings if finding.verdict == "passed"}
    parent = scene.parent.built if scene.parent else None
    mutants = [
        *broken(scene.built, scene.own, FACTS.accounts),
        *broken_configuration(scene.built, parent, scene.own),
    ]
    for fact, how, image in mutants:
        found = check_image(Scene(FACTS, image, scene.parent), references)
        red = {finding.fact for finding in found if finding.verdict == "failed"}
        assert fact in red or fact not in told, f"{fact}: {how}"
