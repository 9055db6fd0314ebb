"""Convert a tree of tcib: read its images, find their parents, and write the set."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, Spot, closest
from buildsys.importers.containerfiles.references import Naming, meant, naming
from buildsys.importers.overlay_text import untaken
from buildsys.importers.set_folder import check_places, usual_name
from buildsys.importers.tcib.definition import DEFAULTS, Image, read_image
from buildsys.importers.tcib.tree import Folder, Tree, folders
from buildsys.importers.tcib.write import Surroundings, write_set
from buildsys.recipe.document import read_foreign, read_text, strings
from buildsys.recipe.schema import types

BASE = "quay.io/centos/centos:stream9"
"""The base image of the first image, as in tcib."""


@dataclass(frozen=True, slots=True)
class Request:
    """Options of the command line."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    """Values of variables."""
    base: str = ""
    """The base image of the first image."""


def take_over(given: Path, output: Path, asked: Request) -> tuple[tuple[str, ...], list[Diagnostic]]:
    """Write the tree at `given` as an image set into `output`, which must be empty or absent.

    The images that are taken come back, and what is not.

    Raises:
        Refused: there is no tree, `output` exists (`file-exists`), or an option matches no image.
    """
    check_places(given, output)
    if asked.base and (problem := types.REFERENCE.problem(asked.base)):
        raise Refused([Diagnostic(NOWHERE, *problem)])
    found: list[Diagnostic] = []
    tree = Tree.at(given)
    every = folders(tree, found)
    _check_arguments(every, asked, found)
    read = (read_image(folder, tree, asked.arguments, found) for folder in every)
    images = {image.folder.name: image for image in read if image is not None}
    usual = Naming("localhost", usual_name(output), "openstack-", "latest")
    around = naming(_references(tree), [folder.name for folder in every], usual)
    parents = _parents(images, {folder.name for folder in every}, around, found)
    images = {name: image for name, image in images.items() if name in parents}
    if not images:
        hint = "an image is a folder with a YAML file that has tcib_actions and the like"
        none = Diagnostic(NOWHERE, Code.NO_MATCH, f"{given} holds no image that can be taken over", hint)
        raise Refused([none, *sorted(set(found))])
    base = asked.base or _base(images) or BASE
    for name, parent in parents.items():
        if parent == {"image": base}:
            parents[name] = "site"
    release = asked.arguments.get("tcib_release", DEFAULTS["tcib_release"])
    write_set(images.values(), parents, Surroundings(around, base, release), output)
    return tuple(sorted(images)), sorted(set(found))


def _check_arguments(every: Collection[Folder], asked: Request, found: list[Diagnostic]) -> None:
    """Check that each value is for a variable that a file names."""
    if not asked.arguments:
        return
    known = set(DEFAULTS)
    for file in (file for folder in every for file in folder.files):
        # An unreadable file is reported with its image.
        with suppress(Refused):
            known.update(re.findall(r"[A-Za-z_]\w*", read_text(str(file))))
    wrong = [
        Diagnostic(
            NOWHERE, Code.NO_MATCH, f"--arg: no file names the variable '{name}'", closest(name, known)
        )
        for name in asked.arguments
        if name not in known
    ]
    if wrong:
        raise Refused([*wrong, *found])


def _references(tree: Tree) -> Iterator[str]:
    """Return the naming in the lists of images next to the tree."""
    for file in sorted([*tree.around.glob("*containers*.yaml"), *tree.top.glob("*containers*.yaml")]):
        try:
            written = read_foreign(file)
        except Refused:
            continue
        data = written.data
        images = data.get("container_images") if isinstance(data, dict) else None
        names = (item.get("imagename") for item in images or [] if isinstance(item, dict))
        yield from (name for name in strings(list(names)) if "{" not in name)


def _parents(
    images: Mapping[str, Image], every: Collection[str], around: Naming, found: list[Diagnostic]
) -> dict[str, Any]:
    """Return `from:` of each image; report images whose parent is not taken over."""
    parents: dict[str, Any] = {}
    for name, image in images.items():  # parents come before children
        parent: Any = image.folder.parent or "site"
        if image.origin is not None:
            reference, at = image.origin
            means = meant(reference, every, around)
            if problem := None if means.image else types.REFERENCE.problem(reference):
                found.append(untaken(at, f"'{name}'", problem[1], problem[2]))
                continue
            parent = means.image if means.image and means.image != name else {"image": reference}
            if means.like and not means.image and means.like != name:
                hint = f"if the tree's '{means.like}' is meant, leave tcib_from out"
                message = f"{reference} is taken as an image built elsewhere"
                found.append(Diagnostic(at, Code.NOT_TAKEN_OVER, message, hint))
        parents[name] = parent
    while lost := {
        name: parent
        for name, parent in parents.items()
        if isinstance(parent, str) and parent != "site" and parent not in parents
    }:
        for name, parent in lost.items():
            place = images[name].origin
            at = place[1] if place else Spot(str(images[name].folder.files[0]))
            why = f"it is made from '{parent}', which is not taken over"
            found.append(untaken(at, f"'{name}'", why))
            del parents[name]
    return parents


def _base(images: Mapping[str, Image]) -> str:
    """Return the most frequent base image of images without a parent; empty if none names one."""
    origins = [
        image.origin[0] for image in images.values() if image.origin is not None and not image.folder.parent
    ]
    return max(sorted(origins), key=origins.count, default="")
