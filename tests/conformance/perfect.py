"""A perfect image set, in memory: the facts carried out one after the other on a small world of files.

It is the checks' counterpart and shares no code with the replay: it runs forward and keeps real state,
where the replay reasons backward from what stands in the end. The checks must find nothing wrong with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .check import scenes
from .facts import Facts
from .model import BuiltImage
from .reference import References, of
from .scene import Scene
from .world import World, copied_bytes


def references(facts: Facts) -> References:
    """References for made-up copied files, each with bytes of its own."""
    copied = {file.source: of(copied_bytes(file)) for image in facts.images.values() for file in image.files}
    urls = [step.text("url") for step in facts.steps if step.kind == "download"]
    names = (name for image in facts.images.values() for name in image.packages)
    newest = {name: f"0:{facts.versions.get(name, '1')}-1" for name in names}
    return References(copied, {url: hashlib.sha256(url.encode()).hexdigest() for url in urls}, newest)


def images(facts: Facts) -> dict[str, BuiltImage]:
    """Every image of the facts, built perfectly."""
    worlds: dict[str, World] = {}
    for name, image in facts.images.items():
        world = worlds[image.parent].child() if image.parent else World(facts)
        worlds[name] = world.carry_out(image)
    return {name: world.image(name) for name, world in worlds.items()}


@dataclass(frozen=True)
class PerfectSet:
    """The images, each beside its facts, and what they are compared with."""

    images: dict[str, BuiltImage]
    scenes: dict[str, Scene]
    references: References


def made(facts: Facts) -> PerfectSet:
    """The perfect set of some facts."""
    built = images(facts)
    return PerfectSet(built, scenes(facts, built), references(facts))
