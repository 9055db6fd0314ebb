"""A recipe that names a Containerfile: which images that one reads, and what may stand beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildsys import image
from buildsys.diagnostics import Diagnostic, Refused, Spot, closest
from buildsys.image.context import context
from buildsys.recipe import schema
from buildsys.recipe.containerfile import SCRATCH, Containerfile, Read, read_containerfile
from buildsys.resolve import syntax
from buildsys.resolve.context import unwritable
from buildsys.resolve.draft import Draft
from buildsys.resolve.notes import Notes

Parent = image.ParentImage | image.BaseImage | image.EmptyRoot
Names = Mapping[str, str]
"""What a Containerfile may call an image of the set -> the image."""


def spoken(references: Mapping[str, image.ImageReference]) -> dict[str, str]:
    """What Containerfiles may call the images of a set: the recipe's name, or the reference it gets."""
    known = {}
    for name, reference in references.items():
        # To builders, a reference without a tag has this one.
        for whole in (str(reference), str(reference).removesuffix(":latest")):
            known[whole.partition("/")[2]] = name
            known[whole] = name
    return known | {name: name for name in references}


def containerfile(
    recipe: schema.Recipe, notes: Notes, top: Path, known: Names, form: image.Format
) -> tuple[image.Containerfile, Parent, Spot] | None:
    """The instruction, the parent and where that is named; None when it cannot be read, and `notes` say why.

    `top` is the folder that it must lie in: the set's, or the overlay's.
    """
    given = recipe.args or {}
    path = _plain(Path(notes.written.file).parent / str(recipe.containerfile))
    if (problem := _misplaced(path, top)) is not None:
        notes.problem(("containerfile",), problem)
        return None
    try:
        read = read_containerfile(path, given)
    except Refused as refused:
        notes.found.extend(refused.diagnostics)
        return None
    for name in given:
        if name not in read.arguments:
            hint = closest(name, read.arguments) or "it declares " + (", ".join(read.arguments) or "none")
            message = f"{read.file} declares no ARG '{name}'"
            notes.problem(("args", name), ("containerfile-argument", message, hint), key=True)
    if form == "oci" and read.healthcheck is not None:
        hint = "write format: docker in set.yaml, or leave the health check out"
        message = "an image in the OCI format has no health check"
        notes.found.append(Diagnostic(read.healthcheck, "oci-healthcheck", message, hint))
    try:
        notes.found.extend(_odd(path.parent))
    except Refused as refused:
        notes.found.extend(refused.diagnostics)
    others = [item for item in read.reads if item.name not in known]
    for item in others:
        if problem := syntax.reference(item.name):
            notes.found.append(Diagnostic(item.spot, *problem))
    images = tuple(
        image.NamedImage(item.name, known[item.name], item.spot, item.places)
        for item in read.reads
        if item.name in known
    )
    return _instruction(recipe, notes, read, images, others), _parent(read, known), read.parent.spot


def _instruction(
    recipe: schema.Recipe,
    notes: Notes,
    read: Containerfile,
    images: tuple[image.NamedImage, ...],
    others: list[Read],
) -> image.Containerfile:
    path = Path(read.file)
    return image.Containerfile(
        folder=str(path.parent),
        name=path.name,
        text=read.text,
        lines=tuple((item.word, item.value) for item in read.instructions),
        images=images,
        others=tuple(image.OtherImage(item.name, item.name, item.spot, item.places) for item in others),
        arguments=tuple((recipe.args or {}).items()),
        dated="SOURCE_DATE_EPOCH" in read.arguments,
        network=bool(recipe.network),
        spot=notes.spot("containerfile"),
        spots=tuple(item.spot for item in read.instructions),
    )


def _parent(read: Containerfile, known: Names) -> Parent:
    name = read.parent.name
    if name == SCRATCH:
        return image.EmptyRoot()
    return image.ParentImage(known[name]) if name in known else image.BaseImage(name)


def _plain(path: Path) -> Path:
    """A path without the detours that a relative one takes."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] not in {"..", "/"}:
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)


def _misplaced(path: Path, top: Path) -> syntax.Problem | None:
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top)):
        return "path-leaves-context", f"{path} lies outside of {top}", "put it there, with its context"
    if path.is_dir():
        inside = [name for name in ("Containerfile", "Dockerfile") if (path / name).is_file()]
        hint = f"write {inside[0]} behind it" if inside else "name the file"
        return "missing-file", f"{path} is a folder", hint
    if not path.exists():
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = closest(path.name, beside) or "a path is taken from the folder of the recipe's file"
        return "missing-file", f"there is no {path}", hint
    return None


def _odd(folder: Path) -> Iterator[Diagnostic]:
    for path in context(str(folder)):
        whole = folder / path
        for name in (Path(path), *([whole.readlink()] if whole.is_symlink() else [])):
            if problem := unwritable(whole, name):
                yield Diagnostic(Spot(str(folder)), *problem)
        if not (whole.is_symlink() or whole.is_file() or whole.is_dir()):
            message = f"{whole} is neither a file, a folder nor a link"
            hint = "take it away, or name it in .containerignore"
            yield Diagnostic(Spot(str(whole)), "odd-file", message, hint)


def check_alone(draft: Draft, name: str, found: list[Diagnostic]) -> None:
    """Note what recipe, traits, `common` or an overlay want done besides: the Containerfile says it all."""
    asked: dict[str, Spot] = {}
    for key, spots in (
        ("accounts", [spot for _, spot in draft.accounts.values()]),
        ("repositories", [item.spot for item in draft.repositories.values()]),
        ("before", [step.spot for step in draft.before]),
        ("packages", [item.spot for item in draft.packages.values()]),
        ("steps", [step.spot for step in draft.steps]),
        *((key.replace("_", "-"), [spot]) for key, (_, spot) in draft.scalars.items()),
        ("env", [spot for _, spot in draft.env.values()]),
        ("volumes", [*draft.volumes.values()]),
        ("ports", [*draft.ports.values()]),
    ):
        if spots:
            asked[key] = spots[0]
    for key, spot in asked.items():
        message = f"'{key}' does not reach '{name}', which is built by a Containerfile"
        hint = "say it in the Containerfile; labels, annotations and test may stand beside it"
        found.append(Diagnostic(spot, "containerfile-alone", message, hint))
