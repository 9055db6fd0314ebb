"""The set's own keys: what its images are called, their format and epoch."""

from __future__ import annotations

from buildsys import image
from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.recipe.library import Library
from buildsys.resolve import syntax
from buildsys.resolve.source import Notes

LONGEST_NAME = 255
"""Characters a reference may have between registry and tag."""


class Header:
    """The keys of set.yaml, checked, with the defaults of those left out."""

    def __init__(self, library: Library, found: list[Diagnostic]) -> None:
        written, notes = library.set, Notes(library.written, found)
        self.name = written.set_
        self.format: image.Format = written.format or "docker"
        self.epoch = written.epoch
        self._registry = notes.check(("registry",), syntax.registry, written.registry) or "localhost"
        self._namespace = notes.check(("namespace",), syntax.namespace, written.namespace)
        self._prefix = written.prefix or ""
        self._tag = notes.check(("tag",), syntax.tag, written.tag)
        notes.problem(("set",), syntax.set_name(self.name))
        if syntax.image_name(f"{self._prefix}a"):
            problem = (Code.BAD_REFERENCE, f"'{self._prefix}' cannot begin an image's name",
                       "use a-z and 0-9, and at most one '-', '_' or '.' between")  # fmt: skip
            notes.problem(("prefix",), problem)
        notes.problem(("epoch",), syntax.epoch(self.epoch))

    def check_name(self, name: str, spot: Spot, found: list[Diagnostic]) -> None:
        """Note what is wrong with an image's name."""
        problem = syntax.image_name(name)
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
