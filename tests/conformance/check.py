"""All checks of all images: facts and built images in, findings out. Pure: nothing is read but the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import configuration, others, packages, state
from .facts import Fact, Facts, Step
from .finding import Finding
from .model import BuiltImage
from .reference import References
from .replay import Replay
from .scene import Scene


@dataclass(frozen=True, slots=True)
class Report:
    """The findings, and which images of the facts were not there to be checked."""

    facts: Facts
    findings: tuple[Finding, ...]
    missing: tuple[str, ...]


def check(facts: Facts, built: Mapping[str, BuiltImage], references: References) -> Report:
    """Check every image; one that is missing is a failure, and so are its descendants' parents."""
    stand = scenes(facts, built)
    findings = [finding for scene in stand.values() for finding in check_image(scene, references)]
    missing = tuple(name for name in facts.images if name not in stand)
    for name in missing:
        why = f"no image {facts.images[name].parent} to compare it with" if name in built else "no such image"
        findings.append(Finding(name, Fact(name, "image", ""), "failed", "the image and its parent", why))
    return Report(facts, tuple(findings), missing)


def scenes(facts: Facts, built: Mapping[str, BuiltImage]) -> dict[str, Scene]:
    """A scene for each built image whose ancestors are all built, parents before children."""
    found: dict[str, Scene] = {}
    for name, image in facts.images.items():
        if name in built and (not image.parent or image.parent in found):
            found[name] = Scene(facts, built[name], found.get(image.parent))
    return found


def check_image(scene: Scene, references: References) -> Iterator[Finding]:
    """All findings of one image."""
    replay = Replay(scene)
    findings = [*configuration.check(scene), *packages.check(replay), *state.check(replay, references)]
    for event in scene.events:
        if isinstance(event, Step):
            findings += others.check(scene, references, event)
    yield from findings
    seen = {finding.fact for finding in findings}
    own = [*(step.fact for step in scene.own.steps), *(file.fact for file in scene.own.files)]
    for fact in own:
        if fact not in seen:
            yield Finding(scene.name, fact, "failed", "a trace of it", "no trace")
