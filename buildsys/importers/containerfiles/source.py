"""An image of a tree: its Containerfile, what its references mean, and what its context holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from buildsys.importers.containerfiles.checking import reads_of
from buildsys.importers.containerfiles.naming import Meant
from buildsys.importers.containerfiles.tree import IGNORE_FILES, Folder
from buildsys.recipe.containerfile import Containerfile


@dataclass(slots=True)
class Source:
    """An image of the tree, and what its references mean."""

    folder: Folder
    read: Containerfile
    context: tuple[Path, ...]
    """What its context holds: its folder; of the whole tree, only what it reads, where that is known."""
    meant: dict[str, Meant] = field(default_factory=dict)
    """By reference."""

    @property
    def needs(self) -> list[str]:
        """The images of the tree that it reads."""
        return [item.image for item in self.meant.values() if item.image]

    @property
    def named(self) -> list[str]:
        """Plain names that only COPY and RUN read: of what a builder was given by this name, perhaps."""
        lines = {
            line
            for item in self.read.instructions
            if item.word == "FROM"
            for line in range(item.lines[0], item.lines[1] + 1)
        }
        return [
            item.name
            for item in self.read.reads
            if not set("/:@") & set(item.name) and not lines & {line for line, _ in item.places}
        ]


def context_of(folder: Folder, top: Path, read: Containerfile) -> tuple[Path, ...]:
    """See `Source.context`."""
    if folder.path != top:
        return (folder.path,)
    sources = reads_of(read)
    if sources is None or any(map(os.path.islink, _parents(top, sources))):
        return (top,)  # what a link leads to is found within the context alone
    ignored = [top / name for name in IGNORE_FILES if (top / name).is_file()]
    return (folder.file, *ignored, *(top / name for name in sources if (top / name).exists()))


def _parents(top: Path, sources: Iterable[str]) -> Iterator[Path]:
    for name in sources:
        yield from (top / parent for parent in Path(name).parents)
