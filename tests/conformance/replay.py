"""The replay: what each event from the base to an image leaves of each path.

A step may be overtaken by a later one (`chmod 755` by a copy over the same file), so what is true in
the end is known only after replaying them all. `Replay.history(path)` is that, for one path, in order.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from . import paths
from .facts import CopiedFile, Event, Step, Transaction
from .scene import Scene

Aspect = Literal["kind", "mode", "user", "group", "target", "content"]
Value = str | int | tuple[int, int]
"""A mode is (bits, mask): only the bits of the mask are said."""
_NOTHING: Mapping[Aspect, Value] = {}


@dataclass(frozen=True, slots=True)
class Setting:
    """What one event says of one path. `content` is `replaced` or `edited`."""

    values: Mapping[Aspect, Value] = field(default_factory=dict)
    creates: bool = False
    replaces: bool = False
    """Whether the path begins anew: whatever is not in `values` is unknown from now on."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of a path's history."""

    place: int
    event: Event
    setting: Setting


@dataclass(frozen=True)
class Replay:
    """The events that led to an image, by the paths they act on."""

    scene: Scene

    def history(self, path: str) -> tuple[Moment, ...]:
        """What happened to a canonical path, in order."""
        moments = [*self._exact.get(path, ()), *self._installed(path)]
        moments += [moment for wide in self.wide() if (moment := self._reached(wide, path))]
        return tuple(sorted(moments, key=lambda moment: moment.place))

    def paths(self) -> Iterator[str]:
        """Every canonical path a file or step of the facts acts on, as the built tree has them."""
        found = dict.fromkeys(self._exact)
        for wide in self.wide():
            for root in wide.roots(self.scene):
                found |= dict.fromkeys(paths.walk(self.scene.tree, root) if wide.recursive else [root])
        yield from found

    def place(self, event: Event) -> int:
        return self.scene.places[id(event)]

    @cached_property
    def _exact(self) -> Mapping[str, list[Moment]]:
        found: dict[str, list[Moment]] = {}
        for place, event in enumerate(self.scene.events):
            for path, setting in _settings(self.scene, event):
                found.setdefault(path, []).append(Moment(place, event, setting))
        return found

    def wide(self) -> tuple[Wide, ...]:
        """The steps that act on a pattern or on all that is below a path."""
        return self._wide

    @cached_property
    def _wide(self) -> tuple[Wide, ...]:
        return tuple(wide for event in self.scene.events for wide in _wides(self.scene, event))

    def _installed(self, path: str) -> Iterator[Moment]:
        for scene, package, file in self.scene.owners(path):
            user, group = scene.user_id(file.user), scene.group_id(file.group)
            values: dict[Aspect, Value] = {"mode": (file.mode, 0o7777), "content": "replaced"}
            values |= {"user": user or 0, "group": group or 0}
            event = scene.arrivals[package.name] or _BEGINNING
            yield Moment(scene.arrived(package.name), event, Setting(values))

    def _reached(self, wide: Wide, path: str) -> Moment | None:
        """What a recursive step or a pattern did to a path, None when the path was not there yet."""
        if not wide.names(path):
            return None
        place = self.place(wide.event)
        if "kind" not in wide.values and not self._there(path, place, wide.event.image):
            return None
        return Moment(place, wide.event, Setting(self.said(wide, path), replaces="kind" in wide.values))

    def _there(self, path: str, place: int, image: str) -> bool:
        """Whether a path was there before an event of an image, as far as facts and packages tell."""
        if self._births.get(path, place) < place or self.scene.packaged_since(path) < place:
            return True
        scene = next(scene for scene in self.scene.lineage() if scene.name == image)
        return scene.parent is not None and scene.parent.entry(path) is not None

    @cached_property
    def _births(self) -> Mapping[str, int]:
        """When files and steps first made each path, or something below it."""
        found: dict[str, int] = {}
        for made, moments in self._exact.items():
            path = made
            first = min((moment.place for moment in moments if moment.setting.creates), default=None)
            while first is not None and first < found.get(path, len(self.scene.events)):
                found[path] = first
                path = posixpath.dirname(path)
        return found

    def said(self, wide: Wide, path: str) -> Mapping[Aspect, Value]:
        """The values of a wide step for one path; a link has no mode of its own."""
        entry = self.scene.entry(path)
        link = entry is not None and entry.kind == "link"
        return {key: value for key, value in wide.values.items() if not (link and key == "mode")}


_BEGINNING = Transaction("", 0, ())
"""What the base image began with, or a package nobody named brought."""


@dataclass(frozen=True, slots=True)
class Wide:
    """A step that acts on a pattern, or on all that is below a path."""

    event: Step
    pattern: str
    recursive: bool
    values: Mapping[Aspect, Value]

    def roots(self, scene: Scene) -> list[str]:
        """The canonical paths the pattern names in the built tree."""
        return paths.glob(scene.tree, self.pattern)

    def names(self, path: str) -> bool:
        """Whether the step reaches this canonical path."""
        depth = self.pattern.count("/")
        head = "/".join(path.split("/")[: depth + 1])
        return paths.pattern_matches(self.pattern, head) and (self.recursive or head == path)


def _wides(scene: Scene, event: Event) -> Iterator[Wide]:
    if isinstance(event, Step) and event.kind in ("chmod", "chown", "remove"):
        for path in event.texts("paths"):
            if event.flag("recursive") or paths.is_pattern(path):
                pattern = _canonical_pattern(scene, path)
                yield Wide(event, pattern, event.flag("recursive"), _values(scene, event, pattern))


def _canonical_pattern(scene: Scene, path: str) -> str:
    folder, last = posixpath.split(path)
    if not last:
        return paths.canonical(scene.tree, folder, follow=True)
    return posixpath.join(paths.canonical(scene.tree, folder, follow=True), last)


def _settings(scene: Scene, event: Event) -> Iterator[tuple[str, Setting]]:
    """What an event does to the paths it names one by one."""

    def at(path: str, *, follow: bool = False) -> str:
        return paths.canonical(scene.tree, path, follow=follow)

    def new(values: Mapping[Aspect, Value] = _NOTHING) -> Setting:
        return Setting({"kind": "file", "content": "replaced", **values}, creates=True, replaces=True)

    if isinstance(event, Transaction):
        return
    if isinstance(event, CopiedFile):
        yield at(event.to), new({"user": 0, "group": 0})
        return
    edited = Setting({"content": "edited"}, creates=True)
    match event.kind:
        case "mkdir":
            yield at(event.text("path"), follow=True), Setting({"kind": "directory"}, creates=True)
        case "touch":
            yield at(event.text("path"), follow=True), Setting({"kind": "file"}, creates=True)
        case "symlink":
            values: dict[Aspect, Value] = {"kind": "link", "target": event.text("target")}
            yield at(event.text("link")), Setting(values, creates=True, replaces=True)
        case "sed" | "append_line" | "append_file":
            yield at(event.text("file"), follow=True), edited
        case "download":
            yield at(event.text("dst"), follow=True), new()
        case "yum_repo_file":
            yield at(event.text("file"), follow=True), new()
        case "move":
            yield at(event.text("src")), Setting({"kind": "absent"}, replaces=True)
            yield at(event.text("dst")), new()
        case "copy_in_image":
            for source, path in copies(scene, event):
                yield path, new(_kept(scene, source) if event.flag("preserve") else _NOTHING)
        case "chmod" | "chown" | "remove":
            for named in event.texts("paths"):
                if not (event.flag("recursive") or paths.is_pattern(named)):
                    path = at(named, follow=event.kind != "remove")
                    yield path, Setting(_values(scene, event, path), replaces=event.kind == "remove")
        case _:
            pass  # The other kinds are not about paths they name.


def _values(scene: Scene, event: Step, path: str) -> Mapping[Aspect, Value]:
    if event.kind == "remove":
        return {"kind": "absent"}
    if event.kind == "chmod":
        entry = scene.entry(path)
        return {"mode": mode(event.text("mode"), directory=entry is not None and entry.kind == "directory")}
    return dict(owner(scene, event.text("owner")))


def mode(text: str, *, directory: bool = False) -> tuple[int, int]:
    """The bits a mode sets and the mask of those it speaks of.

    Three digits leave the set-id bits of a directory as they are, as chmod does.
    """
    if text.isdigit():
        return int(text, 8), 0o777 if directory and len(text) < 4 else 0o7777
    who, what = re.fullmatch(r"([ugoa]*)\+([rwx]+)", text).groups()  # type: ignore[union-attr]
    bits = sum({"r": 4, "w": 2, "x": 1}[char] for char in what)
    places = "ugo" if not who or "a" in who else who
    value = sum(bits << {"u": 6, "g": 3, "o": 0}[place] for place in places)
    return value, value


def owner(scene: Scene, text: str) -> Iterator[tuple[Aspect, int]]:
    """The numbers `user`, `user:`, `user:group` or `:group` stand for in an image; -1: no such account."""
    user, colon, group = text.partition(":")
    if user:
        number = scene.user_id(user)
        yield "user", -1 if number is None else number
    if group:
        number = scene.group_id(group)
        yield "group", -1 if number is None else number
    elif colon:
        yield "group", scene.passwd[user].gid if user in scene.passwd else -1


def copies(scene: Scene, event: Step) -> list[tuple[str, str]]:
    """Sources and destinations of a copy inside an image; sources may be gone since."""
    pattern, to = _canonical_pattern(scene, event.text("src")), event.text("dst")
    known = {*paths.glob(scene.tree, pattern)}
    if paths.is_pattern(pattern):
        known |= {path for path in scene.owned() if paths.pattern_matches(pattern, path)}
    sources = sorted(known) or [pattern]
    into = to.endswith("/")
    return [
        (source, paths.canonical(scene.tree, to + posixpath.basename(source) if into else to))
        for source in sources
    ]


def _kept(scene: Scene, source: str) -> Mapping[Aspect, Value]:
    entry = scene.entry(source)
    return {} if entry is None else {"mode": (entry.mode, 0o7777), "user": entry.user, "group": entry.group}
