"""Find the Containerfiles of a tree, name their images, and list files that belong to none."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Spot
from buildsys.importers.overlay_text import untaken
from buildsys.recipe.schema import types

FILES = ("Containerfile", "Dockerfile")
"""File names; the first one present counts."""
IGNORE_FILES = (".containerignore", ".dockerignore")
"""Ignore files of a context: these names, or a Containerfile's name followed by one of them."""
_SUFFIXED = re.compile(
    r"(?:Container|Docker)file[._-](?P<after>.+)|(?P<before>.+)[._-](?:Container|container|Docker|docker)file"
)
_OTHER_KINDS = frozenset(
    "adoc bak diff in j2 jinja jinja2 json lock md old orig patch rej rst save sh swp template tmpl tpl txt"
    " yaml yml".split()
)
"""Endings of files that are not Containerfiles: templates, documents, leftovers of editors."""
_SEVERAL = 3
"""Number of names that a message writes out."""


@dataclass(frozen=True, slots=True)
class Folder:
    """An image: a Containerfile, and its folder, which is the build context."""

    name: str
    path: Path
    file: Path


def folders(top: Path, found: list[Diagnostic]) -> list[Folder]:
    """Return the images of a tree, sorted by name; skip hidden folders. `found` collects other files.

    A folder with one Containerfile is one image with the folder's name. With
    several files, a suffix (`Dockerfile.ubuntu`, `debug.Containerfile`) is added to the name.
    """
    files = {here: them for here, names in _walk(top) if (them := list(_containerfiles(here, names, found)))}
    plain = Counter(called(_own(here, top)) for here in files)
    images: dict[str, Folder] = {}
    # A folder's plain name wins over an equal name made with a suffix.
    every = (file for them in files.values() for file in them)
    for file in sorted(every, key=lambda file: bool(_suffix(file))):
        here = file.parent
        name = called(_own(here, top))
        if (plain[name] > 1 and here != top) or types.IMAGE_NAME.problem(name):
            name = called("-".join(here.relative_to(top).parts))
        if len(files[here]) > 1 and (suffix := _suffix(file)):
            name = called(f"{name}-{suffix}")
        if problem := types.IMAGE_NAME.problem(name):
            found.append(untaken(Spot(str(file)), "this image", problem[1], "give its folder another name"))
        elif name in images:
            why = f"{images[name].file} would be called '{name}' as well"
            found.append(untaken(Spot(str(file)), "this image", why, "give its folder another name"))
        else:
            images[name] = Folder(name, here, file)
    return [images[name] for name in sorted(images)]


def left(top: Path, contexts: Collection[Path]) -> list[Diagnostic]:
    """Report files in no image's context, in one sentence. `contexts` are folders and single files."""
    names = [str(path) for path in _left(top, set(contexts))]
    if not names:
        return []
    shown = names if len(names) <= _SEVERAL + 1 else names[:_SEVERAL]
    more = len(names) - len(shown)
    *others, last = [*shown, *([f"{more} more"] if more else [])]
    what = f"{', '.join(others)} and {last}" if others else last
    verb, why = ("are", "they lie in no image's folder") if others else ("is", "it lies in no image's folder")
    hint = f"if an image needs {'one' if others else 'it'}, put it into that image's folder"
    return [Diagnostic(NOWHERE, Code.NOT_TAKEN_OVER, f"{what} {verb} not taken over: {why}", hint)]


def is_containerfile(name: str) -> bool:
    """Whether a file of this name is a Containerfile or an ignore file."""
    return name in FILES or name.endswith(IGNORE_FILES) or bool(_SUFFIXED.fullmatch(name))


def _unreadable(error: OSError) -> None:
    raise error


def called(text: str) -> str:
    """Return an image's name for a folder's: lower case, with single separators."""
    clean = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    return re.sub(r"[._-]{2,}", "-", clean)


def _own(here: Path, top: Path) -> str:
    """Return a folder's name; the top may be given as `.`."""
    return Path(os.path.realpath(here)).name if here == top else here.name


def _suffix(file: Path) -> str:
    match = None if file.name in FILES else _SUFFIXED.fullmatch(file.name)
    return (match["after"] or match["before"]) if match else ""


def _walk(top: Path) -> Iterator[tuple[Path, list[str]]]:
    for where, inside, names in os.walk(top, onerror=_unreadable):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        yield Path(where), sorted(names)


def _containerfiles(here: Path, names: list[str], found: list[Diagnostic]) -> Iterator[Path]:
    """Yield the Containerfiles of a folder."""
    there = [name for name in FILES if name in names]
    for other in there[1:]:
        why = f"{here / there[0]} is the Containerfile of the same image"
        hint = "give it a suffix, if it is another image"
        found.append(untaken(Spot(str(here / other)), "this file", why, hint))
    yield from (here / name for name in there[:1])
    for name in names:
        if name in FILES or name.endswith(IGNORE_FILES) or not _SUFFIXED.fullmatch(name):
            continue
        kind = name.rpartition(".")[2]
        if kind.rstrip("~").lower() in _OTHER_KINDS or name.endswith("~"):
            why = f"a file that ends in '{kind if '.' in name else '~'}' is not a Containerfile"
            hint = "remove the ending, if it is one"
            found.append(untaken(Spot(str(here / name)), "this file", why, hint))
        else:
            yield here / name


def _left(top: Path, contexts: set[Path]) -> Iterator[Path]:
    above = {parent for context in contexts for parent in context.parents}
    if top in contexts:
        return
    for where, inside, names in os.walk(top, onerror=_unreadable):
        here = Path(where)
        inside[:] = sorted(name for name in inside if name != ".git" and here / name not in contexts)
        alone = [name for name in inside if here / name not in above]
        inside[:] = [name for name in inside if name not in alone]
        yield from (here / name for name in alone)
        files = (here / name for name in sorted(names) if not is_containerfile(name))
        yield from (file for file in files if file not in contexts)
