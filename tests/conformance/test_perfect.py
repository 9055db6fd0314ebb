"""The checks find nothing wrong with a perfect set, and everything wrong with one that is broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import facts as known
from .check import check, check_image
from .facts import Fact
from .model import BuiltImage
from .mutations import Broken, broken, broken_configuration
from .perfect import PerfectSet
from .reference import References
from .report import verdicts
from .scene import Scene

FACTS = known.load()

OVERTAKEN = {
    "base: file /tmp/kolla_bashrc",  # removed again, once it was appended to three files
    "base: step 6 sed /etc/yum.conf override_install_langs",  # another yum.conf is copied over it
}
UNOBSERVABLE = {"fluentd: step 5 ulimit 65536"}


def test_nothing_is_wrong_with_a_perfect_set(perfect_set: PerfectSet) -> None:
    report = check(FACTS, perfect_set.images, perfect_set.references)
    assert [str(finding) for finding in report.findings if finding.verdict == "failed"] == []


def test_every_step_and_every_file_is_accounted_for(perfect_set: PerfectSet) -> None:
    judged = verdicts(check(FACTS, perfect_set.images, perfect_set.references).findings)
    own = {fact: verdict for (image, fact), verdict in judged.items() if image == fact.image}
    for image in FACTS.images.values():
        assert {step.fact for step in image.steps} <= set(own)
        assert {file.fact for file in image.files} <= set(own)
    assert {str(fact) for fact, verdict in own.items() if verdict == "overtaken"} == OVERTAKEN
    assert {str(fact) for fact, verdict in own.items() if verdict == "unobservable"} == UNOBSERVABLE


def mutants(scene: Scene) -> Iterator[Broken]:
    parent = scene.parent.built if scene.parent else None
    yield from broken(scene.built, scene.own, FACTS.accounts)
    yield from broken_configuration(scene.built, parent, scene.own)


def reddened(image: BuiltImage, parent: Scene | None, references: References) -> set[Fact]:
    findings = check_image(Scene(FACTS, image, parent), references)
    return {finding.fact for finding in findings if finding.verdict == "failed"}


@pytest.mark.parametrize("name", FACTS.images)
def test_each_broken_fact_turns_the_report_red_and_is_named(perfect_set: PerfectSet, name: str) -> None:
    scene, references = perfect_set.scenes[name], perfect_set.references
    facts = {finding.fact for finding in check_image(scene, references) if finding.fact.image == name}
    unseen, tried = [], set()
    for fact, how, image in mutants(scene):
        tried.add(fact)
        if fact not in reddened(image, scene.parent, references):
            unseen.append(f"{fact}: {how}")
    assert [line for line in unseen if not line.startswith(tuple(OVERTAKEN))] == []
    assert {str(fact) for fact in facts - tried} <= UNOBSERVABLE


@pytest.mark.parametrize("name", ["haproxy", "nova-api"])
def test_what_a_descendant_breaks_is_named_there(perfect_set: PerfectSet, name: str) -> None:
    """Where the descendant changes the same thing itself, only its own fact can tell."""
    scene, references = perfect_set.scenes[name], perfect_set.references
    hidden = {finding.fact for finding in check_image(scene, references) if finding.verdict == "overtaken"}
    for ancestor in scene.lineage():
        if ancestor is not scene:
            for fact, how, image in broken(scene.built, ancestor.own, FACTS.accounts):
                seen = reddened(image, scene.parent, references) | hidden
                assert fact in seen or "yum_update" in fact.subject, f"{fact}: {how}"


def test_an_image_that_is_missing_fails_with_its_descendants(perfect_set: PerfectSet) -> None:
    images = {name: image for name, image in perfect_set.images.items() if name != "nova-base"}
    report = check(FACTS, images, perfect_set.references)
    assert report.missing[:2] == ("nova-base", "nova-api")
    assert len(report.missing) == 9
    failed = [str(finding) for finding in report.findings if finding.verdict == "failed"]
    assert failed[0] == "nova-base: image: expected the image and its parent, found no such image"
    assert failed[1].endswith("found no image nova-base to compare it with")
