"""An overlay in the making: changes image by image, each with where it comes from; then its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Spot
from buildsys.importers.lines import beside, listed, printable, said, step_lines
from buildsys.recipe.yaml_text import flow

Step = Mapping[str, Any]


@dataclass(slots=True)
class Changes:
    """What becomes of one image; every Spot is a place in what is taken over."""

    append: dict[str, Spot] = field(default_factory=dict)
    """Packages."""
    remove: dict[str, Spot] = field(default_factory=dict)
    before: list[tuple[Step, Spot]] = field(default_factory=list)
    """Steps in front of all others."""
    steps: list[tuple[Step, Spot]] = field(default_factory=list)
    """Steps behind all others."""
    maps: dict[str, dict[str, tuple[Any, Spot]]] = field(default_factory=dict)
    """`env`, `labels`, `accounts`: what is merged by name."""
    lists: dict[str, dict[str, Spot]] = field(default_factory=dict)
    """`volumes`, `ports`."""
    scalars: dict[str, tuple[Any, Spot]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    """Variables whose values are not taken over."""
    downloads: dict[str, Spot] = field(default_factory=dict)
    """Addresses whose content nobody has a checksum of."""
    files: dict[str, Path | str] = field(default_factory=dict)
    """What steps take from files/, by its path there: what it is a copy of, or its text."""

    def merge(self, key: str, name: str, value: Any, spot: Spot) -> None:
        """Give a name in a map a value; the last one counts."""
        self.maps.setdefault(key, {})[name] = value, spot

    def lines(self) -> Iterator[str]:
        """The keys below the image's name, a line a thing."""
        if self.append or self.remove:
            yield "packages:"
            for key, packages in (("append", self.append), ("remove", self.remove)):
                yield from listed(f"  {key}:", packages)
        for key, place, steps in (("before", "prepend", self.before), ("steps", "append", self.steps)):
            if steps:
                yield f"{key}:"
                yield f"  {place}:"
                for step, spot in steps:
                    yield from (f"    {line}" for line in step_lines(step, spot))
        yield from self.settings()
        for key, items in self.lists.items():
            yield f"{key}:"
            yield from listed("  append:", items)

    def settings(self) -> Iterator[str]:
        """The keys that may stand in `common:` too."""
        for key, (value, spot) in self.scalars.items():
            yield beside(f"{key}: {'~' if value is None else said(value)}", spot)
        for key, items in self.maps.items():
            yield f"{key}:"
            for name, (value, spot) in items.items():
                yield beside(f"  {flow(name)}: {said(value)}", spot)

    def __len__(self) -> int:
        """How many things change."""
        parts: tuple[Sized, ...] = (self.append, self.remove, self.before, self.steps, self.scalars)
        return sum(len(part) for part in (*parts, *self.maps.values(), *self.lists.values()))


@dataclass(slots=True)
class Overlay:
    """All that is taken over."""

    images: dict[str, Changes] = field(default_factory=dict)
    common: Changes = field(default_factory=Changes)
    """What every image gets: settings alone, since steps of `common` come before an image's own."""
    sites: tuple[str, ...] = ()
    """Sites of the set: each gets the downloads."""

    def image(self, name: str) -> Changes:
        """The changes of one image."""
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
        """The overlay as it is written; behind each thing stands where it comes from."""
        head = [f"# Taken over from {printable(origin)}.", f"overlay: {flow(name)}"]
        if len(self.common):
            head += ["common:", *(f"  {line}" for line in self.common.settings())]
            for key, items in self.common.lists.items():
                head += listed(f"  {key}:", items)
        if self.sites and (downloads := self.downloads):
            head.append("sites:")
            for site in self.sites:
                head += [f"  {flow(site)}:", "    downloads:"]
                head += [
                    beside(f"      {flow(url)}: {{unverified: true}}", at) for url, at in downloads.items()
                ]
        changed = {image: changes for image, changes in sorted(self.images.items()) if len(changes)}
        if changed:
            head.append("images:")
        for image, changes in changed.items():
            head += [f"  {flow(image)}:", *(f"    {line}" for line in changes.lines())]
        return "".join(f"{line}\n" for line in head)
