"""Which folders of a tree are images, what these are called, and what belongs to none."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Diagnostic, Spot
from buildsys.importers.untaken import untaken
from buildsys.resolve import syntax

FILES = ("Containerfile", "Dockerfile")
"""The first of them that is there counts."""
_OTHERS = re.compile(r"(?:Container|Docker)file[._-].+|.+\.(?:Container|Docker|container|docker)file")


@dataclass(frozen=True, slots=True)
class Folder:
    """An image: a folder with a Containerfile, which is its context."""

    name: str
    path: Path
    file: Path


def folders(top: Path, found: list[Diagnostic]) -> list[Folder]:
    """The images of a tree, by name; hidden folders are none. What belongs to none goes to `found`."""
    files = list(_files(top, found))
    plain = Counter(_name(file.parent.name) for file in files)
    images: dict[str, Folder] = {}
    for file in files:
        name = _name(file.parent.name)
        if plain[name] > 1 or syntax.image_name(name):
            name = _name("-".join(file.parent.relative_to(top).parts))
        if problem := syntax.image_name(name):
            found.append(untaken(Spot(str(file)), "this image", problem[1], "give its folder another name"))
        elif name in images:
            why = f"{images[name].file} would be called '{name}' as well"
            found.append(untaken(Spot(str(file)), "this image", why, "give its folder another name"))
        else:
            images[name] = Folder(name, file.parent, file)
    found += _left(top, {item.path for item in images.values()} | {file.parent for file in files})
    return [images[name] for name in sorted(images)]


def _unreadable(error: OSError) -> None:
    raise error


def _name(text: str) -> str:
    """An image's name like a folder's: in small letters, and joined by one sign at a time."""
    clean = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    return re.sub(r"[._-]{2,}", "-", clean)


def _files(top: Path, found: list[Diagnostic]) -> Iterator[Path]:
    for where, inside, names in os.walk(top, onerror=_unreadable):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        here = Path(where)
        there = [here / name for name in FILES if name in names]
        for other in [*there[1:], *(here / name for name in sorted(names) if _OTHERS.fullmatch(name))]:
            why = "a folder is one image"
            found.append(untaken(Spot(str(other)), "this file", why, "put it into a folder of its own"))
        if there and here == top:
            why = "its context would be the whole tree"
            found.append(untaken(Spot(str(there[0])), "this image", why, "put it into a folder of its own"))
        elif there:
            yield there[0]


def _left(top: Path, images: set[Path]) -> Iterator[Diagnostic]:
    """What is in no image's context."""
    above = {parent for image in images for parent in image.parents}
    for where, inside, names in os.walk(top, onerror=_unreadable):
        here = Path(where)
        inside[:] = sorted(name for name in inside if name != ".git" and here / name not in images)
        alone = [name for name in inside if here / name not in above]
        inside[:] = [name for name in inside if name not in alone]
        files = [name for name in sorted(names) if not (_OTHERS.fullmatch(name) or name in FILES)]
        for name in (*alone, *files):
            why = "it lies in no image's folder"
            hint = "if an image needs it, put it into that image's folder"
            yield untaken(NOWHERE, str(here / name), why, hint)
