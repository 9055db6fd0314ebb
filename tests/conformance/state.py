"""Checks of what stands at a path in the end: kind, mode, owner, link target, content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import content
from .facts import Event, Fact, Transaction
from .finding import Finding, Verdict
from .model import Entry
from .reference import References
from .replay import Aspect, Moment, Replay, Value

_KINDS = {"absent": "nothing", "file": "a regular file", "directory": "a directory", "link": "a link"}


def check(replay: Replay, references: References) -> Iterator[Finding]:
    """Findings for every path that files and steps of the facts act on."""
    for path in replay.paths():
        history = replay.history(path)
        for index, moment in enumerate(history):
            later = history[index + 1 :]
            for said in moment.setting.values.items():
                yield from _aspect(replay, references, path, moment.event, said=said, later=later)
    for wide in replay.wide():
        if not wide.roots(replay.scene):
            gone = wide.values.get("kind") == "absent"
            verdict: Verdict = "passed" if gone else "failed"
            yield Finding(replay.scene.name, _fact(wide.event), verdict, wide.pattern, "nothing of that name")


def _aspect(
    replay: Replay,
    references: References,
    path: str,
    event: Event,
    *,
    said: tuple[Aspect, Value],
    later: Sequence[Moment],
) -> Iterator[Finding]:
    if isinstance(event, Transaction):
        return  # What packages lay down is for `rpm -V` to judge.
    scene, fact, (aspect, value) = replay.scene, _fact(event), said
    left = _left(aspect, value, later)
    if left is None:
        yield Finding(scene.name, fact, "overtaken", f"{aspect} {_say(aspect, value)}", _by(aspect, later))
    elif aspect == "content":
        yield content.check(scene, references, path, event, [moment.event for moment in later])
    else:
        entry = scene.entry(path)
        verdict: Verdict = "passed" if _true(aspect, left, entry) else "failed"
        expected = _say(aspect, left)
        yield Finding(scene.name, fact, verdict, f"{path}: {expected}", _see(aspect, entry))


def _fact(event: Event) -> Fact:
    if isinstance(event, Transaction):
        raise TypeError("a transaction is many facts")
    return event.fact


def _left(aspect: Aspect, value: Value, later: Sequence[Moment]) -> Value | None:
    """What remains to be true of a value once the later moments have been, None for nothing."""
    left: Value | None = value
    for moment in later:
        other = moment.setting.values.get(aspect)
        if other is None:
            left = None if moment.setting.replaces else left
        elif aspect == "content":
            left = None if other == "replaced" else left
        elif isinstance(value, tuple) and isinstance(other, tuple):
            left = _agreed(left if isinstance(left, tuple) else (value[0], 0), value, other)
        elif aspect == "user" and isinstance(moment.event, Transaction):
            # Packages give a service's directory a mode and a group of their own, but the same user as the
            # step before them: a service owns its directory, whoever made it.
            continue
        else:
            left = value if other == value else None
    return None if isinstance(left, tuple) and not left[1] else left


def _agreed(left: tuple[int, int], said: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The bits of a mode that still are as they were said, once another mode has been set."""
    (bits, mask), (new, over) = said, other
    same = ~(bits ^ new)
    return bits, (left[1] & ~over) | (mask & over & same)


def _by(aspect: Aspect, later: Sequence[Moment]) -> str:
    last = next(item for item in reversed(later) if aspect in item.setting.values or item.setting.replaces)
    if isinstance(last.event, Transaction):
        return f"overtaken by packages of {last.event.image}"
    return f"overtaken by {last.event.fact}"


def _true(aspect: Aspect, value: Value, entry: Entry | None) -> bool:
    if aspect == "kind":
        return (entry.kind if entry else "absent") == value
    if entry is None:
        return False
    if isinstance(value, tuple):
        bits, mask = value
        return entry.mode & mask == bits & mask
    return bool(getattr(entry, aspect) == value)


def _say(aspect: Aspect, value: Value) -> str:
    if isinstance(value, tuple):
        bits, mask = value
        return f"mode {bits & mask:04o}" + ("" if mask == 0o7777 else f" in the bits {mask:04o}")
    return _KINDS[str(value)] if aspect == "kind" else f"{aspect} {value}"


def _see(aspect: Aspect, entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    if aspect == "kind":
        return _KINDS.get(entry.kind, entry.kind)
    return f"mode {entry.mode:04o}" if aspect == "mode" else f"{aspect} {getattr(entry, aspect)}"
