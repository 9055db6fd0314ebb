"""Which images of a set are meant: by name, glob or profile, with those that they are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildsys.diagnostics import Diagnostic, Refused

if TYPE_CHECKING:
    from buildsys.image import ImageSet


@dataclass(frozen=True, slots=True)
class Selection:
    """Some images of a set."""

    patterns: tuple[str, ...] = ()
    """Names, globs (`neutron-*`) and profiles (`@compute`); none: all images."""
    parents: bool = False
    """With the images that these are made from."""
    children: bool = False
    """With the images that are made from these."""

    def names(self, image_set: ImageSet) -> tuple[str, ...]:
        """The images it selects, each after the images it is made from.

        Raises:
            Refused: a pattern selects no image, or only images that the site cannot build.
        """
        from buildsys.graph import ImageGraph

        if unbuildable := [*self._unbuildable(image_set)]:
            raise Refused(unbuildable)
        graph = ImageGraph(image_set.images, image_set.profiles)
        return graph.select(self.patterns, parents=self.parents, children=self.children)

    def absent(self, image_set: ImageSet) -> tuple[Diagnostic, ...]:
        """The reasons why selected images are left out of the set, each once."""
        names = {name for pattern in self.patterns or ("*",) for name in _absent(image_set, pattern)}
        return tuple(dict.fromkeys(image_set.absent[name].why for name in sorted(names)))

    def _unbuildable(self, image_set: ImageSet) -> Iterator[Diagnostic]:
        from buildsys.resolve.profiles import matches

        for pattern in self.patterns:
            of_profile = image_set.profiles.get(pattern[1:]) if pattern.startswith("@") else None
            if not (of_profile or matches(pattern, image_set.images)):
                yield from (image_set.absent[name].why for name in _absent(image_set, pattern))


EVERY = Selection()
"""All images."""


def _absent(image_set: ImageSet, pattern: str) -> list[str]:
    """The images that a pattern selects and that are left out of the set."""
    from buildsys.resolve.profiles import matches

    if pattern.startswith("@"):
        return [name for name, item in image_set.absent.items() if pattern[1:] in item.profiles]
    return matches(pattern, image_set.absent)
