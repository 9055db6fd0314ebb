"""Find the images of a tcib tree, their parents, and the tree's other files."""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from buildsys.diagnostics import Diagnostic, Spot
from buildsys.importers.containerfiles.folders import called
from buildsys.importers.overlay_text import untaken
from buildsys.recipe.schema import types

_PLACES = ("", "tcib", "container-images/tcib")
"""Places of the tree below the folder that a user names."""
_KEY = re.compile(rb"^tcib_", re.MULTILINE)
_LOOKED_AT = 1 << 20
"""Bytes at the start of a file that are searched for a key of tcib."""
_INSTALLED = (
    "/usr/share/tcib/container-images/",
    "/usr/share/tripleo-common/container-images/",
    "/usr/share/openstack-tripleo-common-containers/container-images/",
    "/usr/share/openstack-tripleo-common/container-images/",
)
"""Folders in which packages install the tree's parent folder."""


@dataclass(frozen=True, slots=True)
class Folder:
    """An image: a folder with YAML files."""

    name: str
    path: Path
    files: tuple[Path, ...]
    parent: str
    """The image of the nearest folder above; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The places of a tree."""

    top: Path
    """The folder that contains the image folders."""
    around: Path
    """The folder that packages install: the tree, and files that its images copy."""

    @classmethod
    def at(cls, given: Path) -> Tree:
        """Find the tree in a folder."""
        top = next(path for path in (given / place for place in reversed(_PLACES)) if path.is_dir())
        if top.name == "tcib":
            return cls(top, top.parent)
        if not _is_image(top):
            return cls(top, top)
        return cls(top, next((place.parent for place in top.parents if place.name == "tcib"), top.parent))

    def find(self, source: str, folder: Path) -> Path | None:
        """Find the file of the tree that an image names; None for paths that lead out of the tree."""
        for start in _INSTALLED:
            if source.startswith(start):
                return self._inside(self.around, source.removeprefix(start))
        return None if source.startswith("/") else self._inside(folder, source)

    def glob(self, pattern: str, folder: Path) -> list[str]:
        """Return the files that match a pattern, as paths in the pattern's form."""
        head, _, last = pattern.rpartition("/")
        start = next((start for start in _INSTALLED if f"{head}/".startswith(start)), "")
        place = self.around / head.removeprefix(start.rstrip("/")).lstrip("/") if start else folder / head
        if head.startswith("/") and not start:
            return []
        paths = sorted(path for path in place.glob(last or "*") if path.is_file())
        names = (f"{head}/{path.name}" if head else path.name for path in paths)
        return [name for name in names if self.find(name, folder) is not None]

    def is_its(self, source: str) -> bool:
        """Whether a path is in an installed copy of the tree."""
        return source.startswith(_INSTALLED)

    def _inside(self, place: Path, name: str) -> Path | None:
        clean = posixpath.normpath(name)
        if clean.startswith(("..", "/")):
            return None
        path = place / clean
        within = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.around))
        return path if within and path.is_file() else None


def folders(tree: Tree, found: list[Diagnostic]) -> list[Folder]:
    """Return the images, parents before children. `found` collects folders that are none."""
    images: dict[str, Folder] = {}
    places = [(here, files) for here, files in _walk(tree.top) if here != tree.top or _is_image(here)]
    plain = Counter(called(here.name) for here, _ in places)
    names: dict[Path, str] = {}
    for here, files in places:
        parts = here.relative_to(tree.top).parts
        name = called(here.name)
        if here == tree.top:
            name = called(Path(os.path.realpath(here)).name)
        elif plain[name] > 1:
            name = called("-".join(parts))
        spot = Spot(str(files[0]))
        if problem := types.IMAGE_NAME.problem(name):
            found.append(untaken(spot, f"the image '{name}'", problem[1], "give its folder another name"))
        elif name in images:
            why = f"{images[name].path} would be called '{name}' as well"
            found.append(untaken(spot, f"the image '{name}'", why, "give its folder another name"))
        else:
            names[here] = name
            parent = next((names[above] for above in here.parents if above in names), "")
            images[name] = Folder(name, here, files, parent)
    return list(images.values())


def _walk(top: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    for where, inside, names in os.walk(top, onerror=_unreadable):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        # Like tcib, read the files of a folder in the order of their names.
        files = tuple(Path(where) / name for name in sorted(names) if name.endswith((".yaml", ".yml")))
        if files:
            yield Path(where), files


def _is_image(folder: Path) -> bool:
    """Whether the top folder is an image itself, and not only the place of a list of images."""
    files = [path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"} and path.is_file()]
    return any(_KEY.search(path.read_bytes()[:_LOOKED_AT]) for path in files)


def _unreadable(error: OSError) -> None:
    raise error
