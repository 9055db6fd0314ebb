"""The input of exporters, a resolved set with options, and their output: files, as texts or links."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Spot
from buildsys.image import Image, ImageReference, ImageSet, LockedPackage, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """Changes of references for another place. None: unchanged."""

    registry: str | None = None
    namespace: str | None = None
    prefix: str | None = None
    suffix: str = ""
    """Appended to the name of an image."""
    tag: str | None = None

    def __call__(self, reference: ImageReference) -> ImageReference:
        """The changed reference."""
        given = {
            key: value
            for key in ("registry", "namespace", "prefix", "tag")
            if (value := getattr(self, key)) is not None
        }
        return replace(reference, name=reference.name + self.suffix, **given)


def _nowhere(*path: str) -> Spot:  # noqa: ARG001 - there is no file
    return NOWHERE


@dataclass(frozen=True, slots=True)
class Data:
    """Data of the set for one format: `exports/FORMAT.yaml`."""

    file: str
    content: Any = None
    """None: the set has no such file."""
    at: Callable[..., Spot] = _nowhere
    """Path of keys -> Spot of the value."""


@dataclass(frozen=True, slots=True)
class CarriedPlan:
    """The plan of the set, packed to be carried to another machine."""

    archive: Path
    """A tar packed by gzip, with the plan in the folder SET-plan."""
    tools: tuple[str, ...]
    """The programs that it calls; `A|B` is one of the two."""
    lock: str = ""
    """Digits that stand for all locked packages; empty: nothing is locked."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """An image set, the selected images, and the options of the export."""

    set: ImageSet
    names: tuple[str, ...]
    """The selected images, parents before children."""
    naming: Naming = field(default_factory=Naming)
    digests: Mapping[str, str] = field(default_factory=dict)
    """Image -> digest of its published manifest; images without one are referenced by tag."""
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Image -> the tags that it was published with, its own first; others have the tag of the set."""
    data: Data = field(default_factory=lambda: Data(""))
    roots: Mapping[str, Path] = field(default_factory=dict)
    """Image with an empty root -> archive of its files."""
    plan: CarriedPlan | None = None
    """For formats that run it."""
    previous: Mapping[str, Mapping[str, Any]] | None = None
    """Image -> its entry in an earlier `images.json`; None: there is none."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options that only some formats have, by name."""

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """The selected images, parents before children."""
        return tuple(self.set.images[name] for name in self.names)

    @property
    def carried(self) -> CarriedPlan:
        """The plan.

        Raises:
            ValueError: the format did not ask for it.
        """
        if self.plan is None:
            raise ValueError("this format needs the plan")
        return self.plan

    def reference(self, name: str) -> str:
        """The reference of an image, by tag: the last one that it was published with."""
        called = self.naming(self.set.images[name].reference)
        if name in self.tags and self.naming.tag is None:
            called = replace(called, tag=self.tags[name][-1])
        return str(called)

    def pinned(self, name: str) -> str:
        """The reference of an image, by digest if that is known, else by tag."""
        called = self.reference(name)
        digest = self.digests.get(name)
        return f"{called.rpartition(':')[0]}@{digest}" if digest else called


@dataclass(frozen=True, slots=True)
class Export:
    """The files of an export, by path relative to its directory."""

    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, Path] = field(default_factory=dict)
    """Files to copy, by path."""
    programs: frozenset[str] = frozenset()
    """Paths of executable files."""
    notes: tuple[str, ...] = ()
    """Sentences for people: what this format cannot express, or expresses differently."""


def packages(image: Image) -> Iterator[LockedPackage]:
    """The locked packages that an image installs itself."""
    for step in image.instructions:
        if isinstance(step, Transaction):
            yield from step.packages


def same_names(called: Iterable[tuple[str, str, Spot]], system: str) -> Iterator[Diagnostic]:
    """A mistake (`export-bad-name`) for each name that two images would have in another system.

    `called`: (name, image, spot of the name); `system`: its name for people.
    """
    first: dict[str, str] = {}
    for name, image, spot in called:
        other = first.setdefault(name, image)
        if other != image:
            message = f"{other} and {image} would have the same name in {system}: {name}"
            yield Diagnostic(spot, Code.EXPORT_BAD_NAME, message)
