"""The set's own keys: what its images are called, their format and epoch."""

from __future__ import annotations

from buildsys import image
from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.recipe.library import Library
from buildsys.recipe.schema import types

LONGEST_NAME = 255
"""Characters a reference may have between registry and tag."""


class Header:
    """The keys of set.yaml, checked, with the defaults of those left out."""

    def __init__(self, library: Library, found: list[Diagnostic]) -> None:
        written = library.set
        found += library.mistakes
        self.name = written.set_
        self.format: image.Format = written.format or "docker"
        self.epoch = written.epoch
        self._registry = written.registry or "localhost"
        self._namespace = written.namespace
        self._prefix = written.prefix or ""
        self._tag = written.tag

    def check_name(self, name: str, spot: Spot, found: list[Diagnostic]) -> None:
        """Note what is wrong with an image's name."""
        problem = types.IMAGE_NAME.problem(name)
        whole = f"{self._namespace}/{self._prefix}{name}"
        if problem is None and len(whole) > LONGEST_NAME:
            problem = (
                Code.BAD_IMAGE_NAME,
                f"the name {whole} is longer than {LONGEST_NAME} characters",
                "shorten it",
            )
        if problem is not None:
            found.append(Diagnostic(spot, *problem))

    def reference(self, name: str) -> image.ImageReference:
        """What an image of the set is called."""
        return image.ImageReference(self._registry, self._namespace, self._prefix, name, self._tag)
