"""Collect the changes of each image, with their places in the source, and write them as an overlay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.importers.yaml_lines import comment_text, list_lines, step_lines, value_text, with_place
from buildsys.recipe.yaml_text import flow

Step = Mapping[str, Any]


def untaken(spot: Spot, what: str, why: str, hint: str = "") -> Diagnostic:
    """Report `what`, at its place in the source, as not taken over, and the reason."""
    return Diagnostic(spot, Code.NOT_TAKEN_OVER, f"{what} is not taken over: {why}", hint)


@dataclass(slots=True)
class Changes:
    """The changes of one image; each Spot is a place in the imported files."""

    append: dict[str, Spot] = field(default_factory=dict)
    """Packages to install."""
    remove: dict[str, Spot] = field(default_factory=dict)
    before: list[tuple[Step, Spot]] = field(default_factory=list)
    """Steps before the image's own."""
    steps: list[tuple[Step, Spot]] = field(default_factory=list)
    """Steps after the image's own."""
    maps: dict[str, dict[str, tuple[Any, Spot]]] = field(default_factory=dict)
    """`env`, `labels`, `accounts`: key -> name -> value and place; merged by name."""
    lists: dict[str, dict[str, Spot]] = field(default_factory=dict)
    """`volumes`, `ports`: key -> item -> place."""
    scalars: dict[str, tuple[Any, Spot]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    """Variables whose values are not taken over."""
    downloads: dict[str, Spot] = field(default_factory=dict)
    """Addresses of downloads without a checksum."""
    files: dict[str, Path | str] = field(default_factory=dict)
    """Files that steps take from files/: path there -> the file to copy, or a text."""

    def merge(self, key: str, name: str, value: Any, spot: Spot) -> None:
        """Set a name in a map; the last value counts."""
        self.maps.setdefault(key, {})[name] = value, spot

    def lines(self) -> Iterator[str]:
        """Yield the YAML lines below the image's name."""
        if self.append or self.remove:
            yield "packages:"
            for key, packages in (("append", self.append), ("remove", self.remove)):
                yield from list_lines(f"  {key}:", packages)
        for key, place, steps in (("before", "prepend", self.before), ("steps", "append", self.steps)):
            if steps:
                yield f"{key}:"
                yield f"  {place}:"
                for step, spot in steps:
                    yield from (f"    {line}" for line in step_lines(step, spot))
        yield from self.settings()
        for key, items in self.lists.items():
            yield f"{key}:"
            yield from list_lines("  append:", items)

    def settings(self) -> Iterator[str]:
        """Yield the lines of settings, which `common:` allows too."""
        for key, (value, spot) in self.scalars.items():
            yield with_place(f"{key}: {'~' if value is None else value_text(value)}", spot)
        for key, items in self.maps.items():
            yield f"{key}:"
            for name, (value, spot) in items.items():
                yield with_place(f"  {flow(name)}: {value_text(value)}", spot)

    def __len__(self) -> int:
        """Number of changes."""
        parts: tuple[Sized, ...] = (self.append, self.remove, self.before, self.steps, self.scalars)
        return sum(len(part) for part in (*parts, *self.maps.values(), *self.lists.values()))


@dataclass(slots=True)
class Overlay:
    """The overlay: everything that is taken over."""

    images: dict[str, Changes] = field(default_factory=dict)
    common: Changes = field(default_factory=Changes)
    """Settings of every image; not steps, since steps of `common` run before an image's own."""
    sites: tuple[str, ...] = ()
    """Sites of the set; each one declares the downloads."""

    def image(self, name: str) -> Changes:
        """Return the changes of one image."""
        return self.images.setdefault(name, Changes())

    @property
    def downloads(self) -> dict[str, Spot]:
        """See `Changes.downloads`."""
        return {url: at for changes in self.images.values() for url, at in changes.downloads.items()}

    @property
    def files(self) -> dict[str, Path | str]:
        """See `Changes.files`."""
        return {path: file for changes in self.images.values() for path, file in changes.files.items()}

    def text(self, name: str, origin: str) -> str:
        """Return the overlay's YAML; a comment after each item names its place in the source."""
        head = [f"# Taken over from {comment_text(origin)}.", f"overlay: {flow(name)}"]
        if len(self.common):
            head += ["common:", *(f"  {line}" for line in self.common.settings())]
            for key, items in self.common.lists.items():
                head += list_lines(f"  {key}:", items)
        if self.sites and (downloads := self.downloads):
            head.append("sites:")
            for site in self.sites:
                head += [f"  {flow(site)}:", "    downloads:"]
                head += [
                    with_place(f"      {flow(url)}: {{unverified: true}}", at)
                    for url, at in downloads.items()
                ]
        changed = {image: changes for image, changes in sorted(self.images.items()) if len(changes)}
        if changed:
            head.append("images:")
        for image, changes in changed.items():
            head += [f"  {flow(image)}:", *(f"    {line}" for line in changes.lines())]
        return "".join(f"{line}\n" for line in head)
