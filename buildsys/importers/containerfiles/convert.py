"""Convert a tree: read its Containerfiles, and resolve the images that they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Problem, Refused, closest
from buildsys.importers.containerfiles.folders import FILES, Folder, folders, left
from buildsys.importers.containerfiles.gaps import unfit
from buildsys.importers.containerfiles.references import Meant, Naming, meant, naming, own
from buildsys.importers.containerfiles.tree_image import TreeImage, context_of
from buildsys.importers.containerfiles.write import write_set
from buildsys.importers.overlay_text import untaken
from buildsys.importers.set_folder import check_places, usual_name
from buildsys.recipe.containerfile import Read
from buildsys.recipe.containerfile_reader import read_containerfile
from buildsys.recipe.schema import types


@dataclass(frozen=True, slots=True)
class Request:
    """Options of the command line."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    """Values of ARG variables."""
    network: Sequence[str] = ()
    """Names and globs of the images that build with a network."""
    contexts: Mapping[str, str] = field(default_factory=dict)
    """Named build contexts: name -> folder or image reference."""


def take_over(top: Path, output: Path, asked: Request) -> tuple[tuple[str, ...], list[Diagnostic]]:
    """Write the tree at `top` as an image set into `output`, which must be empty or absent.

    Returns the names of the imported images, and a diagnostic for each thing that is not taken over.

    Raises:
        Refused: there is no tree, `output` exists (`file-exists`), or an option matches no image.
    """
    check_places(top, output)
    found: list[Diagnostic] = []
    every = folders(top, found)
    images = {item.name: image for item in every if (image := _read(item, top, asked, found))}
    _check_arguments(images, asked, found)
    given = {name: _context(value) for name, value in asked.contexts.items()}
    usual = Naming("localhost", usual_name(output), "", "latest")
    for image in images.values():
        image.contexts |= {name: value for name, value in given.items() if name in image.reads}
    around = _understand(images, [item.name for item in every], usual, found)
    if not images:
        hint = f"an image is a folder with a {' or a '.join(FILES)}"
        none = Diagnostic(NOWHERE, Code.NO_MATCH, f"{top} holds no image that can be taken over", hint)
        raise Refused([none, *found, *left(top, {item.path for item in every})])
    network = _networked(images, asked)
    for image in images.values():
        found += unfit(image.read, image.folder, top, network=image.folder.name in network)
    unread = [item.path for item in every if item.name not in images and item.path != top]
    found += _name_contexts(images.values(), top)
    named = [path for image in images.values() for path in image.contexts.values() if isinstance(path, Path)]
    found += left(top, [*unread, *named, *(path for image in images.values() for path in image.context)])
    write_set(images.values(), around, network, asked.arguments, output)
    return tuple(sorted(images)), sorted(set(found))


def _refused(code: Code, message: str, hint: str) -> Refused:
    return Refused([Diagnostic(NOWHERE, code, message, hint)])


def _read(folder: Folder, top: Path, asked: Request, found: list[Diagnostic]) -> TreeImage | None:
    try:
        read = read_containerfile(folder.file, asked.arguments)
        return TreeImage(folder, read, context_of(folder, top, read))
    except Refused as refused:
        for item in refused.diagnostics:
            hint = item.hint.replace("args: in the recipe", "--arg NAME=VALUE")
            found.append(untaken(item.spot, f"'{folder.name}'", item.message, hint))
        return None


def _understand(
    images: dict[str, TreeImage], every: Sequence[str], usual: Naming, found: list[Diagnostic]
) -> Naming:
    """Resolve each reference; drop images that need one that is not taken over."""
    references = [(name, item.name) for name, image in images.items() for item in image.read.reads]
    beginnings = {(name, reference) for name, reference in references if own(reference, name, every)}
    public = {reference for _, reference in beginnings}
    around = naming((item for _, item in references if item not in public), every, usual)
    for name, image in images.items():
        named = set(image.named)
        for item in image.read.reads:
            if item.name in image.contexts:
                image.meant[item.name] = Meant("")
                continue
            means = meant(item.name, every, around)
            if (name, item.name) in beginnings:
                # An image cannot be its own parent. A name without a tag would mean the recipe.
                means = Meant("", plain=item.name != name)
            elif (means.image, item.name) in beginnings and item.name != means.image:
                means = Meant("", like=means.image)
            image.meant[item.name] = means
            if means.like and item.name not in named:
                hint = f"if the tree's '{means.like}' is meant, write FROM {means.like}"
                message = f"{item.name} is taken as an image built elsewhere"
                found.append(Diagnostic(item.spot, Code.NOT_TAKEN_OVER, message, hint))
    for name, item, problem in list(_unusable(images)):
        if images.pop(name, None):
            found.append(untaken(item.spot, f"'{name}'", problem[1], problem[2]))
    while lost := {
        name: need for name, image in images.items() for need in image.needs if need not in images
    }:
        for name, need in lost.items():
            spot = next(
                item.spot for item in images[name].read.reads if images[name].meant[item.name].image == need
            )
            found.append(untaken(spot, f"'{name}'", f"it is made from '{need}', which is not taken over"))
            del images[name]
    return around


def _unusable(images: Mapping[str, TreeImage]) -> Iterator[tuple[str, Read, Problem]]:
    """Yield each reference to an image from elsewhere that no image can have."""
    for name, image in images.items():
        for item in image.read.reads:
            if item.name in image.contexts or item.name in image.named or image.meant[item.name].image:
                continue
            if problem := types.REFERENCE.problem(item.name):
                yield name, item, problem


def _name_contexts(images: Iterable[TreeImage], top: Path) -> Iterator[Diagnostic]:
    """Resolve plain names that are neither stages nor images of the tree."""
    for image in images:
        for item in image.read.reads:
            if item.name not in image.named or item.name in image.contexts or image.meant[item.name].image:
                continue
            folder = image.folder_called(item.name, top)
            image.contexts[item.name] = folder or f"{item.name}:latest"
            if folder is None:
                why = "is neither a stage nor an image of the tree: it is taken as an image built elsewhere"
                hint = f"use --context {item.name}=FOLDER, or IMAGE"
                yield Diagnostic(item.spot, Code.NOT_TAKEN_OVER, f"'{item.name}' {why}", hint)


def _context(value: str) -> Path | str:
    """Return the value of --context: a folder, or an image reference."""
    if Path(value).is_dir():
        return Path(value)
    if problem := types.REFERENCE.problem(value):
        hint = "name a folder that is there, or an image"
        raise _refused(Code.NO_MATCH, f"--context: there is no folder {value}, and {problem[1]}", hint)
    return value


def _networked(images: Mapping[str, TreeImage], asked: Request) -> set[str]:
    chosen: set[str] = set()
    for pattern in asked.network:
        names = {name for name in images if fnmatchcase(name, pattern)}
        if not names:
            message = f"--network: no image is called '{pattern}'"
            raise _refused(Code.NO_MATCH, message, closest(pattern, images))
        chosen |= names
    return chosen


def _check_arguments(images: Mapping[str, TreeImage], asked: Request, found: Sequence[Diagnostic]) -> None:
    """Refuse options that match nothing; the error also lists the files that could not be read."""
    declared = {name for image in images.values() for name in image.read.arguments}
    unknown = [
        Diagnostic(
            NOWHERE,
            Code.CONTAINERFILE_ARGUMENT,
            f"--arg: no Containerfile that can be read declares ARG {name}",
            closest(name, declared),
        )
        for name in asked.arguments
        if name not in declared
    ]
    named = {name for image in images.values() for name in image.reads}
    unknown += (
        Diagnostic(
            NOWHERE, Code.NO_MATCH, f"--context: no Containerfile reads '{name}'", closest(name, named)
        )
        for name in asked.contexts
        if name not in named
    )
    if unknown:
        raise Refused([*unknown, *found])
