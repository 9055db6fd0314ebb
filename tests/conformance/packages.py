"""Checks of packages: which are installed, in which version, and what `rpm -Va` says of their files.

A deviation is right where a step of the facts made it. Which those are is read from the replay, so a
change to a file that no step accounts for is a failure, configuration files included.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import paths
from .facts import Fact, Step, Transaction
from .finding import Finding, holds, same
from .replay import Replay, Setting
from .scene import Scene

_ACCOUNT_FILES = frozenset(
    {"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"}
)
_CONTENT = "S5T"
_ANYTHING = "SM5DLUGTP"


def check(replay: Replay) -> Iterator[Finding]:
    """Findings for the packages of an image and of its ancestors, and for its `rpm -Va`."""
    scene = replay.scene
    for ancestor in scene.lineage():
        for name in ancestor.own.packages:
            yield from _package(scene, ancestor.name, name)
    if scene.parent:
        yield _others(scene)
    yield from _dropped(scene)
    yield from _verified(replay)


def _package(scene: Scene, image: str, name: str) -> Iterator[Finding]:
    fact = Fact(image, "package", name)
    package = scene.built.packages.get(name)
    yield same(scene.name, fact, name, package.name if package else "not installed")
    version = scene.facts.versions.get(name)
    if version and package:
        yield same(scene.name, fact, f"version {version}", f"version {package.version}")


def _others(scene: Scene) -> Finding:
    """An image adds to its parent what the facts name, and what that requires."""
    others = tuple(sorted(name for name, transaction in scene.arrivals.items() if transaction is None))
    return same(scene.name, Fact(scene.name, "package", "others"), (), others)


def _dropped(scene: Scene) -> Iterator[Finding]:
    """What TripleO leaves out is not there; a descendant may have reasons of its own to add it."""
    for name in scene.own.dropped_packages:
        package = scene.built.packages.get(name)
        yield same(
            scene.name, Fact(scene.name, "dropped", name), "nothing", package.evr if package else "nothing"
        )
    for path in scene.own.dropped_files:
        entry = paths.look(scene.tree, path, follow=False)
        yield same(
            scene.name, Fact(scene.name, "dropped", path), "nothing", entry.kind if entry else "nothing"
        )


def _verified(replay: Replay) -> Iterator[Finding]:
    scene = replay.scene
    fact = Fact(scene.name, "rpm -V", "")
    for deviation in scene.built.deviations:
        allowed = _explained(replay, deviation.path)
        missing = deviation.flags == "missing"
        right = "missing" in allowed if missing else set(deviation.flags) <= set("".join(allowed))
        expected = f"{deviation.path}: {' '.join(sorted(allowed)) or 'as its package made it'}"
        yield holds(scene.name, fact, right, expected, deviation.flags)
    for line in scene.built.complaints:
        yield Finding(scene.name, fact, "failed", "nothing to complain of", line)
    yield holds(scene.name, fact, bool(scene.built.packages), "a package database", "no package")


def _explained(replay: Replay, path: str) -> set[str]:
    """What steps of the facts may have changed of a packaged file: letters of `rpm -V`, or `missing`."""
    scene = replay.scene
    place = paths.canonical(scene.tree, path)
    allowed: set[str] = set()
    for moment in replay.history(place):
        if not isinstance(moment.event, Transaction):
            allowed |= _letters(moment.setting)
    if place in _ACCOUNT_FILES and _touches_accounts(scene):
        allowed.add(_CONTENT)
    if place.startswith("/etc/yum.repos.d/") and any(
        _kind(event) == "yum_repo_disable" for event in scene.events
    ):
        allowed.add(_CONTENT)
    return allowed


def _letters(setting: Setting) -> set[str]:
    values = setting.values
    if values.get("kind") == "absent":
        return {"missing"}
    if setting.replaces:
        return {_ANYTHING}
    letters = {"mode": "M", "user": "U", "group": "G", "content": _CONTENT}
    found = {letters[aspect] for aspect in values if aspect in letters}
    # `touch` of a packaged file moves its time and nothing else.
    return found | ({"T"} if values.get("kind") == "file" else set())


def _touches_accounts(scene: Scene) -> bool:
    return any(_kind(event) in ("create_users", "usermod") for event in scene.events)


def _kind(event: object) -> str:
    return event.kind if isinstance(event, Step) else ""
