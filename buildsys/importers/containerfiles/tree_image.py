"""An image of a tree: its Containerfile, its resolved references, and its context."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from buildsys.importers.containerfiles.folders import IGNORE_FILES, Folder
from buildsys.importers.containerfiles.gaps import reads_of
from buildsys.importers.containerfiles.references import Meant
from buildsys.recipe.containerfile import Containerfile

_PLAIN = re.compile(r"[\w.-]+")


@dataclass(slots=True)
class TreeImage:
    """An image of the tree, with its resolved references."""

    folder: Folder
    read: Containerfile
    context: tuple[Path, ...]
    """Paths of its context: its folder; of the top folder, only the paths that it reads, if known."""
    meant: dict[str, Meant] = field(default_factory=dict)
    """Reference -> meaning."""
    contexts: dict[str, Path | str] = field(default_factory=dict)
    """Named build contexts: name -> folder or image reference."""

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
        """Plain names that only COPY and RUN read: possibly named build contexts."""
        return [item.name for item in self.read.reads if not item.begins and _PLAIN.fullmatch(item.name)]

    def folder_called(self, name: str, top: Path) -> Path | None:
        """Find the folder of a named build context: next to the image's folder, at the top, or inside."""
        for place in (self.folder.path.parent, top, self.folder.path):
            path = place / name
            inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top))
            if inside and path.is_dir() and not path.is_symlink():
                return path
        return None


def context_of(folder: Folder, top: Path, read: Containerfile) -> tuple[Path, ...]:
    """Return the paths of an image's context (`TreeImage.context`)."""
    if folder.path != top:
        return (folder.path,)
    sources = reads_of(read)
    if sources is None or any(map(os.path.islink, _parents(top, sources))):
        return (top,)  # a link resolves only within the context
    ignored = [top / name for name in IGNORE_FILES if (top / name).is_file()]
    return (folder.file, *ignored, *(top / name for name in sources if (top / name).exists()))


def _parents(top: Path, sources: Iterable[str]) -> Iterator[Path]:
    for name in sources:
        yield from (top / parent for parent in Path(name).parents)
