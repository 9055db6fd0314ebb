"""Compare a set without overlays and with them, in the words of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from buildsys import image as i
from buildsys.cli.image_text import LISTS, Keys, data
from buildsys.recipe.document import is_template, strings
from buildsys.recipe.library import OverlayFile
from buildsys.recipe.yaml_text import flow

PIECES = (i.Install, i.DeclareAccounts, i.WriteRepository)
"""Instructions that are compared item by item."""
OWN = LISTS | {"packages"}
"""Keys whose things bear their names in themselves."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is other than without the overlays."""

    image: str
    """The image; `(set)` or `(site NAME)` for other parts."""
    what: str
    """The key of a recipe, and for a map the name in it."""
    before: str
    after: str
    """Empty: there was, there is no such thing."""
    at: str
    """Its place now; for a removed item, the place of the removal, or else its old place."""

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if not self.before else "changed" if self.after else "removed"


def changes(
    before: Mapping[str, i.Image], after: Mapping[str, i.Image], overlays: Sequence[OverlayFile]
) -> Iterator[Change]:
    """Yield the changes of each image; a new image has one change, its parent."""
    for name, item in sorted(after.items()):
        old = before.get(name)
        now = data(item)
        parent = flow(now["from"]["value"])
        if old is None:
            yield Change(name, "image", "", f"from: {parent}", now["at"])
        elif old != item or old.test != item.test:
            patches = _Patches(name, overlays)
            if old.parent != item.parent:
                yield Change(name, "from", flow(data(old)["from"]["value"]), parent, now["from"]["at"])
            yield from _instructions(name, old, item, patches)
            yield from _configuration(name, data(old)["config"], now["config"], patches)
            if old.test != item.test:
                at = patches.taken("test", "", item.spot.shown())
                yield Change(name, "test", _demanded(old.test), _demanded(item.test), at)


class _Patches:
    """Where overlays say what becomes of one image."""

    def __init__(self, name: str, overlays: Sequence[OverlayFile]) -> None:
        self._patches = [item.patches[name].written for item in overlays if name in item.patches]

    def given(self, key: str, name: str, there: str) -> str:
        """Where a thing is given under a key that holds a map; `there`, if none gives it."""
        for patch in reversed(self._patches):
            if name in (patch.data.get(key) or {}):
                return patch.spot(key, name).shown()
        return there

    def step(self, text: str, there: str) -> str:
        """Where a step is taken away: by the one of its kind that says most of what `text` says."""
        found = [
            (_likeness(item, text), patch.spot(key, "remove", number).shown())
            for patch in reversed(self._patches)
            for key in ("before", "steps")
            for number, item in enumerate(_removed(patch.data.get(key)))
            if text.startswith(f"{next(iter(item), '')}:")
        ]
        if found:
            return max(found, key=lambda item: item[0])[1]
        return self.taken("steps", "", there)

    def taken(self, key: str, name: str, there: str) -> str:
        """Where a thing under a key is taken away; `there`, if none says it."""
        for patch in reversed(self._patches):
            below = patch.data.get(key, "")
            if below is None or (key == "test" and below):
                return patch.key_spot(key).shown()
            if not isinstance(below, dict):
                continue
            removed = below.get("remove")
            if isinstance(removed, list) and name in removed:
                return patch.spot(key, "remove", removed.index(name)).shown()
            if below.get(name, "") is None:
                return patch.key_spot(key, name).shown()
        for patch in reversed(self._patches):
            if "remove" in (patch.data.get("uses") or {}):  # a trait took it along
                return patch.spot("uses", "remove").shown()
        return there


def _removed(below: Any) -> list[dict[str, Any]]:
    """The steps that a patch takes away, as they are written."""
    removed = below.get("remove") if isinstance(below, dict) else None
    return [item for item in removed or () if isinstance(item, dict)]


def _likeness(step: Mapping[str, Any], text: str) -> int:
    """How much of a written step stands in the line about one, less what does not; variables aside."""
    lines = [flow(line) for value in strings(step) for line in value.splitlines() if not is_template(line)]
    return sum(len(line) if line in text else -len(line) for line in lines)


def _configuration(name: str, old: Keys, now: Keys, patches: _Patches) -> Iterator[Change]:
    for key in dict.fromkeys((*old, *now)):
        yield from _compared(name, key, _items(old.get(key)), _items(now.get(key)), patches)


def _items(value: Any) -> dict[str, Keys]:
    """The things under a key of the configuration, by what they are called."""
    if value is None:
        return {}
    if isinstance(value, list):
        return {item["value"]: item for item in value}
    return {"": value} if isinstance(value.get("at"), str) else dict(value)


def _instructions(name: str, old: i.Image, now: i.Image, patches: _Patches) -> Iterator[Change]:
    for key, kind in (("packages", _packages), ("accounts", _accounts), ("repositories", _repositories)):
        yield from _compared(name, key, kind(old), kind(now), patches)
    ours, theirs = list(_steps(now)), list(_steps(old))
    texts = [text for text, _ in theirs], [text for text, _ in ours]
    for kept, *(start, end, first, last) in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if kept != "equal":
            yield from (
                Change(name, "steps", text, "", patches.step(text, at)) for text, at in theirs[start:end]
            )
            yield from (Change(name, "steps", "", text, at) for text, at in ours[first:last])


def _compared(
    name: str, key: str, old: Mapping[str, Keys], now: Mapping[str, Keys], patches: _Patches
) -> Iterator[Change]:
    for item in dict.fromkeys((*old, *now)):
        before, after = _value(old.get(item)), _value(now.get(item))
        if before != after:
            at = (now.get(item) or old[item])["at"]
            if item not in now:
                at = patches.taken(key, item, at)
            elif key == "accounts":  # all of an image are one instruction, with one place
                at = patches.given(key, item, at)
            yield Change(name, key if key in OWN or not item else f"{key} {item}", before, after, at)


def _value(item: Keys | None) -> str:
    return "" if item is None else flow(item["value"])


def _packages(item: i.Image) -> dict[str, Keys]:
    names = [name for step in item.instructions if isinstance(step, i.Install) for name in step.packages]
    found: dict[str, Keys] = {}
    for name in names:
        found.setdefault(name.name, {"value": name.name, "at": name.spot.shown()})
    return found


def _accounts(item: i.Image) -> dict[str, Keys]:
    steps = [step for step in data(item)["instructions"] if "accounts" in step]
    return {
        name: {"value": account, "at": step["at"]}
        for step in steps
        for name, account in step["accounts"].items()
    }


def _repositories(item: i.Image) -> dict[str, Keys]:
    steps = [step for step in item.instructions if isinstance(step, i.WriteRepository)]
    return {
        step.id: {"value": {"file": step.file, "options": dict(step.options)}, "at": step.spot.shown()}
        for step in steps
    }


def _steps(item: i.Image) -> Iterator[tuple[str, str]]:
    """Each other instruction on one line, and where it stands."""
    for step, keys in zip(item.instructions, data(item)["instructions"], strict=True):
        if not isinstance(step, PIECES):
            yield ", ".join(f"{key}: {flow(value)}" for key, value in _bare(keys).items()), keys["at"]


def _bare(value: Any) -> Any:
    """An instruction without places: names of packages are names again."""
    match value:
        case {"name": name, "at": _}:
            return name
        case dict():
            return {key: _bare(item) for key, item in value.items() if key != "at"}
        case list():
            return [_bare(item) for item in value]
        case _:
            return value


def _demanded(test: i.ImageTest) -> str:
    """The keys of a test that says something."""
    there = {"run": test.runs, "user": test.user, "setuid": test.setuid is not None, "size": test.size}
    return ", ".join(key for key, item in (there | {"service": test.service}).items() if item)
