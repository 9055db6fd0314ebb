"""The images of a plan, as built: read from the plan's directory and the store."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, Spot, closest
from buildsys.plan import read
from buildsys.publish.errors import listed
from buildsys.publish.manifest import Format

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Item:
    """An image to publish."""

    name: str
    id: str
    repository: str
    """`NAMESPACE/PREFIX-NAME`, the image's own repository."""
    tag: str
    parents: tuple[str, ...]
    """Images of the set that it builds on or copies from."""
    key: str = ""
    """Its build key, in hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A built set, or the chosen part of it. `items` are in build order, parents first."""

    directory: Path
    set: str
    format: Format
    stand_ins: bool
    items: tuple[Item, ...]
    everything: tuple[str, ...]
    """Names of all images of the set."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the chosen images."""
        return tuple(item.name for item in self.items)


def subject(directory: Path, stored: Collection[str], patterns: Sequence[str] = ()) -> Subject:
    """The set that this plan built, or the images that names and globs match.

    `stored` are the ids of all images of the store.

    Raises:
        Refused: there is no plan (`no-plan`), a name matches no image (`unknown-image`), an image or a parent
            is not built from the current plan (`not-current`), or is not in the store (`missing-image`); the
            message lists all of them.
    """
    try:
        plan = read.planned(directory)
    except FileNotFoundError as error:
        hint = "`buildsys build` writes the plan and builds the images"
        raise Refused([Diagnostic(NOWHERE, Code.NO_PLAN, f"{directory} holds no plan", hint)]) from error
    asked = set(_meant(patterns, plan.images)) if patterns else set(plan.images)
    needed = _with_parents(asked, plan.images)
    ids = read.current(directory)
    stale = [name for name in plan.images if name in needed and name not in ids]
    gone = [name for name in plan.images if name in asked and name in ids and ids[name] not in stored]
    mistakes = []
    if stale:
        message = f"not built from the current plan: {listed(stale)}"
        hint = f"`buildsys build` them, or `make -C {directory}`"
        mistakes.append(Diagnostic(NOWHERE, Code.NOT_CURRENT, message, hint))
    if gone:
        message = f"not in the container store: {listed(gone)}"
        hint = "--store names another store; `buildsys build` builds what is missing"
        mistakes.append(Diagnostic(NOWHERE, Code.MISSING_IMAGE, message, hint))
    if mistakes:
        raise Refused(mistakes)
    items = []
    for name, image in plan.images.items():
        if name in asked:
            stem, _, tag = image.reference.rpartition(":")
            parents = tuple(parent for parent in image.needs if parent in asked)
            key = str(read.result(directory, name).get("key", ""))
            items.append(Item(name, ids[name], stem.partition("/")[2], tag, parents, key))
    return Subject(directory, plan.set, plan.format, plan.stand_ins, tuple(items), tuple(plan.images))


def _meant(patterns: Iterable[str], names: Collection[str]) -> Iterator[str]:
    """The images that names and globs match.

    Raises:
        Refused: one matches none.
    """
    unknown = []
    for pattern in patterns:
        found = [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            unknown.append(pattern)
        yield from found
    if unknown:
        raise Refused(
            [
                Diagnostic(
                    NOWHERE, Code.UNKNOWN_IMAGE, f"the plan has no image '{name}'", closest(name, names)
                )
                for name in unknown
            ]
        )


def _with_parents(asked: Iterable[str], images: Mapping[str, read.PlannedImage]) -> set[str]:
    """Images with all their ancestors."""
    found: set[str] = set()
    waiting = list(asked)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += images[name].needs
    return found


def lock_hash(directory: Path) -> str:
    """Twelve hex digits of the hash of all locked packages of a plan; empty if nothing is locked."""
    return read.lock_hash((name, read.inputs(directory, name)) for name in read.names(directory))


def spot(text: str) -> Spot:
    """Parse a place of plan.json: `FILE:LINE:COLUMN`."""
    file, line, column = text.rsplit(":", 2)
    return Spot(file, int(line), int(column))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
