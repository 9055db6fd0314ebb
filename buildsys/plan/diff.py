"""What differs between two written plans, by image, or between a compiled and a written one, by file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from filecmp import cmp
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.packages.change import PACKAGE, Held, PackageChange, package_changes, packages
from buildsys.plan import read
from buildsys.plan.read import LAYOUT, MARK, OURS

if TYPE_CHECKING:
    from buildsys.plan.compile import Plan

NONE = ""
"""Stands for the side that has nothing."""


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image of a written plan, by the inputs of its build key."""

    parent: str
    """The image of the plan that it is made from; empty: none of the plan."""
    inputs: tuple[str, ...]
    """Its inputs, a line each, without packages."""
    packages: Held
    """Packages that its own steps install; empty without a lock."""


@dataclass(frozen=True, slots=True)
class ImageChange:
    """The changed dependencies of an image."""

    image: str
    parents: tuple[str, str] | None
    """The parent before and after; None: no change."""
    inputs: tuple[tuple[str, str], ...]
    """Lines of its key before and after; empty: the line was added or removed."""
    packages: tuple[PackageChange, ...]


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What changed from one plan to the other; images are in order of their names."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    everywhere: tuple[tuple[str, str], ...]
    """Inputs with the same change in all images of both plans; left out of `changed`."""
    changed: tuple[ImageChange, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def read_plan(directory: Path) -> dict[str, PlannedImage]:
    """The images of a plan as it is written in a directory.

    Raises:
        Refused: the directory holds no plan (`no-plan`), or its layout is of another version of buildsys
            (`plan-directory-version`).
    """
    try:
        layout = (directory / MARK).read_text("utf-8")
        images = read.planned(directory).images if layout == LAYOUT else {}
    except (FileNotFoundError, NotADirectoryError) as missing:
        hint = "`buildsys plan SET` writes one, to build/SET"
        raise Refused([Diagnostic(NOWHERE, Code.NO_PLAN, f"{directory} holds no plan", hint)]) from missing
    if layout != LAYOUT:
        message = f"{directory} was written by another version of buildsys"
        hint = "write it again: `buildsys plan SET -o DIR`"
        raise Refused([Diagnostic(NOWHERE, Code.PLAN_DIRECTORY_VERSION, message, hint)])
    return {name: _image(image.parent, read.inputs(directory, name)) for name, image in images.items()}


def _image(parent: str, lines: Sequence[str]) -> PlannedImage:
    others = tuple(line for line in lines if not line.startswith(PACKAGE))
    return PlannedImage(parent, others, packages(lines))


def plan_change(old: Mapping[str, PlannedImage], new: Mapping[str, PlannedImage]) -> PlanChange:
    """What changed from one plan to the other."""
    both = sorted(old.keys() & new.keys())
    inputs = {name: tuple(_inputs(old[name].inputs, new[name].inputs)) for name in both}
    alike = [pair for pair in next(iter(inputs.values()), ()) if all(pair in of for of in inputs.values())]
    everywhere = tuple(alike) if len(both) > 1 else ()
    return PlanChange(
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        everywhere,
        tuple(
            ImageChange(
                name,
                None if old[name].parent == new[name].parent else (old[name].parent, new[name].parent),
                tuple(pair for pair in inputs[name] if pair not in everywhere),
                tuple(package_changes(old[name].packages, new[name].packages)),
            )
            for name in both
            if old[name] != new[name]
        ),
    )


def _inputs(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str]]:
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if kind != "equal":
            yield from zip_longest(old[old_from:old_to], new[new_from:new_to], fillvalue=NONE)


# ── a compiled plan and a written one ───────────────────────────────────────────────────────────────────────

Difference = tuple[str, str]
"""`missing`, `changed` or `extra`, and the path below the plan's directory."""


def differences(plan: Plan, directory: Path) -> list[Difference]:
    """The files that `write_plan` would change, in order of their paths; nothing is written."""
    texts = {**plan.texts, MARK: LAYOUT}
    found = [*_texts(texts, directory), *_links(plan.links, directory), *_extras(plan, directory)]
    return sorted(found, key=lambda difference: difference[1])


def _texts(texts: dict[str, str], directory: Path) -> Iterator[Difference]:
    for path, text in texts.items():
        try:
            same = (directory / path).read_bytes() == os.fsencode(text)
            if not same or (path.startswith("steps/") and not os.access(directory / path, os.X_OK)):
                yield "changed", path
        except OSError:
            yield "missing", path


def _links(links: dict[str, Path], directory: Path) -> Iterator[Difference]:
    for path, source in links.items():
        try:
            if not (directory / path).samefile(source) and not cmp(directory / path, source, shallow=False):
                yield "changed", path
        except OSError:
            yield "missing", path


def _extras(plan: Plan, directory: Path) -> Iterator[Difference]:
    known = plan.texts.keys() | plan.links.keys()
    for folder in OURS:
        for where, _, names in os.walk(directory / folder):
            base = Path(where).relative_to(directory)
            yield from (("extra", path) for name in names if (path := (base / name).as_posix()) not in known)
