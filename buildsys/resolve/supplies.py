"""The named contexts and secrets that a recipe gives to its Containerfile."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildsys import image
from buildsys.diagnostics import Code, Diagnostic, Problem, Refused, Spot, closest, closest_path
from buildsys.image.ignore import context
from buildsys.recipe import schema
from buildsys.recipe.containerfile import Containerfile, Read
from buildsys.recipe.schema import types
from buildsys.resolve.context import local_path, unwritable
from buildsys.resolve.source import Notes

Names = Mapping[str, str]
"""Name of an image of the set in a Containerfile -> the image."""
Meant = image.NamedImage | image.OtherImage | image.ContextFolder
"""The meaning of a name in a Containerfile."""
_BARE = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Around:
    """The surroundings of a Containerfile."""

    top: Path
    """The folder that it must lie in: the set's, or the overlay's."""
    known: Names
    base: str
    """The site's base image, if that is built elsewhere."""
    form: image.Format


def contexts(recipe: schema.Recipe, notes: Notes, read: Containerfile, around: Around) -> tuple[Meant, ...]:
    """The meaning of each name that is not a stage: a context, an image of the set, an image built elsewhere.

    COPY and RUN name stages: a single word there that means nothing else is a mistake, not an image that is
    built elsewhere.
    """
    given = recipe.contexts or {}
    names = [item.name for item in read.reads]
    for name in given:
        if name not in names:
            hint = closest(name, names) or "leave it out"
            message = f"{read.file} reads nothing called '{name}'"
            if name.lower() in map(str.lower, read.stages):
                message = f"{read.file} has a stage called '{name}', which counts"
            notes.problem(("contexts", name), (Code.CONTAINERFILE_FROM, message, hint), key=True)
    found: list[Meant] = []
    for item in read.reads:
        if item.name in given:
            means = _given(item, given[item.name], notes, around)
            found += [means] if means else []
        elif item.name in around.known:
            found.append(image.NamedImage(item.name, around.known[item.name], item.spot, item.places))
        elif problem := _unknown(item, read, given, around) or types.REFERENCE.problem(item.name):
            notes.found.append(Diagnostic(item.spot, *problem))
        else:
            found.append(image.OtherImage(item.name, item.name, item.spot, item.places))
    return tuple(found)


def _given(item: Read, value: str, notes: Notes, around: Around) -> Meant | None:
    """What `contexts` says that a name is: an image of the set, a folder, or an image built elsewhere."""
    path = ("contexts", item.name)
    if value in around.known:
        return image.NamedImage(item.name, around.known[value], item.spot, item.places)
    if problem := local_path(value):
        notes.problem(path, problem)
        return None
    folder = plain_path(Path(notes.written.file).parent / value)
    if value[:1] not in {".", "/"} and not folder.is_dir():
        if problem := types.REFERENCE.problem(value):
            notes.problem(path, problem)
            return None
        return image.OtherImage(item.name, value, item.spot, item.places)
    if item.begins:
        hint = "FROM begins with an image; a folder can be copied from"
        message = f"'{item.name}' is the folder {folder}"
        notes.found.append(Diagnostic(item.spot, Code.CONTAINERFILE_FROM, message, hint))
        return None
    if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(around.top)):
        hint = "put it there"
        notes.problem(path, (Code.PATH_LEAVES_CONTEXT, f"{folder} lies outside of {around.top}", hint))
        return None
    if not folder.is_dir():
        siblings = [entry.name for entry in folder.parent.iterdir()] if folder.parent.is_dir() else []
        hint = closest_path(value, siblings) or "a path is taken from the folder of the recipe's file"
        notes.problem(path, (Code.MISSING_FILE, f"there is no folder {folder}", hint))
        return None
    try:
        notes.found.extend(odd(folder))
    except Refused as refused:
        notes.found.extend(refused.diagnostics)
    return image.ContextFolder(item.name, str(folder), notes.spot(*path), item.places)


def _unknown(item: Read, read: Containerfile, given: Names, around: Around) -> Problem | None:
    if item.begins or not _BARE.fullmatch(item.name) or item.name == around.base:
        return None
    stages = [name for name in read.stages if name]
    hint = closest(item.name, [*stages, *given, *around.known]) or (
        f"contexts: {{{item.name}: FOLDER OR IMAGE}} in the recipe; "
        f"an image that is built elsewhere is {item.name}:latest"
    )
    message = f"'{item.name}' is neither a stage, nor an image of the set, nor one of its contexts"
    return Code.CONTAINERFILE_FROM, message, hint


def secrets(recipe: schema.Recipe, notes: Notes, read: Containerfile) -> tuple[image.Secret, ...]:
    """The secrets that a Containerfile mounts, and where the recipe says that they are."""
    given = recipe.secrets or {}
    mounted = [item.name for item in read.secrets]
    for number, name in enumerate(given):
        if name not in mounted:
            hint = closest(name, mounted) or f"RUN --mount=type=secret,id={name} mounts it"
            place: tuple[str | int, ...] = ("secrets", name)
            listed = isinstance(notes.written.data.get("secrets"), list)
            unknown = (Code.CONTAINERFILE_SECRET, f"{read.file} mounts no secret '{name}'", hint)
            notes.problem(("secrets", number) if listed else place, unknown, key=not listed)
    found = []
    for item in read.secrets:
        file = given.get(item.name, "")
        if unusable := local_path(file):
            notes.problem(("secrets", item.name), unusable)
        elif file:
            file = file if file.startswith("~/") else str(_absolute(Path(notes.written.file).parent / file))
            _check_outside(file, Path(read.file).parent, ("secrets", item.name), notes)
        found.append(image.Secret(item.name, item.required, file, item.spot))
    return tuple(found)


def _check_outside(file: str, folder: Path, path: tuple[str, str], notes: Notes) -> None:
    """Note a secret that is part of the context: all of that is copied into the plan."""
    if not Path(file).is_relative_to(_absolute(folder)):
        return
    if any(_absolute(folder / one) == Path(file) for one in context(str(folder))):
        hint = "put it elsewhere, or name it in .containerignore"
        notes.problem(
            path, (Code.CONTAINERFILE_SECRET, "this file is part of the context of the build", hint)
        )


def _absolute(path: Path) -> Path:
    return plain_path(Path.cwd() / path)


def plain_path(path: Path) -> Path:
    """A path without the detours that a relative one takes."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] not in {"..", "/"}:
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)


def odd(folder: Path) -> Iterator[Diagnostic]:
    """What lies in a context and is nothing that can be copied.

    Raises:
        Refused: as `image.context.context`.
    """
    for path in context(str(folder)):
        whole = folder / path
        for name in (Path(path), *([whole.readlink()] if whole.is_symlink() else [])):
            if problem := unwritable(whole, name):
                yield Diagnostic(Spot(str(folder)), *problem)
        if not (whole.is_symlink() or whole.is_file() or whole.is_dir()):
            message = f"{whole} is neither a file, a folder nor a link"
            hint = "take it away, or name it in .containerignore"
            yield Diagnostic(Spot(str(whole)), Code.ODD_FILE, message, hint)
