"""What exporters read and give: a resolved set and what was asked for; files, as text or as links."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from buildsys.diagnostics import NOWHERE, Spot
from buildsys.image import Image, ImageReference, ImageSet, LockedPackage, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What references become elsewhere. None: as the set has it."""

    registry: str | None = None
    namespace: str | None = None
    prefix: str | None = None
    suffix: str = ""
    """What follows an image's name."""
    tag: str | None = None

    def __call__(self, reference: ImageReference) -> ImageReference:
        """A reference of the set as it is called there."""
        given = {
            key: value
            for key in ("registry", "namespace", "prefix", "tag")
            if (value := getattr(self, key)) is not None
        }
        return replace(reference, name=reference.name + self.suffix, **given)


def _nowhere(*path: str) -> Spot:  # noqa: ARG001 - nothing was written
    return NOWHERE


@dataclass(frozen=True, slots=True)
class Data:
    """What a file of the set says of one of its consumers."""

    file: str
    content: Any = None
    """None: the set has no such file."""
    at: Callable[..., Spot] = _nowhere
    """Where a key was written, by its path."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image set, the images of it that are meant, and how they are to be told of."""

    set: ImageSet
    names: tuple[str, ...]
    """Parents before children."""
    naming: Naming = field(default_factory=Naming)
    digests: Mapping[str, str] = field(default_factory=dict)
    """Image -> digest of its manifest where it was published; none: references keep their tags."""
    data: Data = field(default_factory=lambda: Data(""))
    roots: Mapping[str, Path] = field(default_factory=dict)
    """Image that begins with an empty root -> archive of its files."""
    previous: Mapping[str, Mapping[str, Any]] | None = None
    """Image -> what `images.json` said of it the last time."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What only some formats ask for, by the name of its option."""

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """The images that are meant, parents before children."""
        return tuple(self.set.images[name] for name in self.names)

    def reference(self, name: str) -> str:
        """What an image is called there: by its tag."""
        return str(self.naming(self.set.images[name].reference))

    def pinned(self, name: str) -> str:
        """What an image is called there: by its digest where that is known, else by its tag."""
        called = self.reference(name)
        digest = self.digests.get(name)
        return f"{called.rpartition(':')[0]}@{digest}" if digest else called


@dataclass(frozen=True, slots=True)
class Export:
    """The files of an export, by path below its directory."""

    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, Path] = field(default_factory=dict)
    """Files that are carried as they are."""
    programs: frozenset[str] = frozenset()
    """Paths of texts and links that can be executed."""
    notes: tuple[str, ...] = ()
    """Sentences for the person: what this format cannot say, or says in another way."""


def packages(image: Image) -> Iterator[LockedPackage]:
    """The packages that an image installs itself, under a lock; none without."""
    for step in image.instructions:
        if isinstance(step, Transaction):
            yield from step.packages
