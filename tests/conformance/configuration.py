"""Checks of an image's configuration and of what it was built from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile

from .facts import Fact
from .finding import Finding, holds, same
from .scene import Scene


def check(scene: Scene) -> Iterator[Finding]:
    """Findings for parent, user, command, environment, labels, health check, stop signal, volumes."""
    config, own, name = scene.built.config, scene.own, scene.name
    yield _parent(scene)
    yield same(name, Fact(name, "user", own.user), own.user, config.user or "root")
    yield same(name, Fact(name, "cmd", " ".join(own.cmd)), own.cmd, config.cmd)
    yield same(name, Fact(name, "entrypoint", "none"), (), config.entrypoint)
    yield same(name, Fact(name, "volumes", "none"), (), config.volumes)
    healthcheck = ("CMD-SHELL", own.healthcheck) if own.healthcheck else ()
    yield same(name, Fact(name, "healthcheck", own.healthcheck or "none"), healthcheck, config.healthcheck)
    signal = next(item.own.stop_signal for item in scene.lineage() if item.own.stop_signal)
    yield same(name, Fact(name, "stop signal", signal), signal, config.stop_signal)
    yield from _mapping(scene, "env", own.env, config.env)
    yield from _mapping(scene, "label", own.labels, config.labels)


def _parent(scene: Scene) -> Finding:
    layers = scene.built.layers
    if scene.parent is None:
        fact = Fact(scene.name, "parent", "none")
        return holds(scene.name, fact, bool(layers), "at least one layer", "no layer")
    theirs = scene.parent.built.layers
    strict = len(layers) > len(theirs) and layers[: len(theirs)] == theirs
    pairs = zip(layers, theirs, strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    expected = f"the {len(theirs)} layers of {scene.parent.name} and more"
    found = f"{len(layers)} layers, the first {shared} the same"
    return holds(scene.name, Fact(scene.name, "parent", scene.parent.name), strict, expected, found)


def _mapping(scene: Scene, topic: str, own: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Finding]:
    """What the image sets has its value, all else is as its parent has it, and nothing is new."""
    for key, value in own.items():
        yield same(scene.name, Fact(scene.name, topic, key), value, found.get(key, "nothing"))
    if scene.parent is not None:
        config = scene.parent.built.config
        theirs = config.env if topic == "env" else config.labels
        inherited = {key: value for key, value in theirs.items() if key not in own}
        rest = {key: value for key, value in found.items() if key not in own}
        yield same(scene.name, Fact(scene.name, topic, "inherited"), inherited, rest)
