"""An image of a tree: its Containerfile, what its references mean, and what its context holds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from buildsys.importers.containerfiles.checking import reads_of
from buildsys.importers.containerfiles.naming import Meant
from buildsys.importers.containerfiles.tree import IGNORE_FILES, Folder
from buildsys.recipe.containerfile import Containerfile

_PLAIN = re.compile(r"[\w.-]+")


@dataclass(slots=True)
class Source:
    """An image of the tree, and what its references mean."""

    folder: Folder
    read: Containerfile
    context: tuple[Path, ...]
    """What its context holds: its folder; of the whole tree, only what it reads, where that is known."""
    meant: dict[str, Meant] = field(default_factory=dict)
    """By reference."""
    contexts: dict[str, Path | str] = field(default_factory=dict)
    """What names mean that are neither stages nor images of the tree: a folder, or an image."""

    @property
    def needs(self) -> list[str]:
        """The images of the tree that it reads."""
        return [item.image for item in self.meant.values() if item.image]

    @property
    def reads(self) -> list[str]:
        """All references."""
        return [item.name for item in self.read.reads]

    @property
    def named(self) -> list[str]:
        """Plain names that only COPY and RUN read: of what a builder was given by this name, perhaps."""
        return [item.name for item in self.read.reads if not item.begins and _PLAIN.fullmatch(item.name)]

    def folder_called(self, name: str, top: Path) -> Path | None:
        """The folder of the tree that a builder may have been given by a name: beside, above or within."""
        for place in (self.folder.path.parent, top, self.folder.path):
            path = place / name
            inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top))
            if inside and path.is_dir() and not path.is_symlink():
                return path
        return None


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
