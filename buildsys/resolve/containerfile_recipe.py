"""A recipe with a Containerfile: the images that it reads, and the keys that it allows in the recipe."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from buildsys import image
from buildsys.diagnostics import Code, Diagnostic, Problem, Refused, Spot, closest, closest_path
from buildsys.image import Image, ParentImage
from buildsys.recipe import schema
from buildsys.recipe.containerfile import Containerfile
from buildsys.recipe.containerfile_reader import read_containerfile
from buildsys.resolve.context import local_path
from buildsys.resolve.fragment import Draft
from buildsys.resolve.source import Notes
from buildsys.resolve.supplies import Around, Meant, contexts, odd, plain_path, secrets

Parent = image.ParentImage | image.BaseImage | image.EmptyRoot


def spoken(references: Mapping[str, image.ImageReference]) -> dict[str, str]:
    """Names of the images of a set in Containerfiles: the recipe's name, and its reference."""
    known = {}
    for name, reference in references.items():
        # Builders add this tag to a reference without one.
        for whole in (str(reference), str(reference).removesuffix(":latest")):
            known[whole.partition("/")[2]] = name
            known[whole] = name
    return known | {name: name for name in references}


def containerfile(
    recipe: schema.Recipe, notes: Notes, around: Around
) -> tuple[image.Containerfile, Parent, Containerfile] | None:
    """The instruction, the parent and the file; None for an unreadable file, which `notes` reports."""
    given = recipe.args or {}
    path = plain_path(Path(notes.written.file).parent / str(recipe.containerfile))
    problem = local_path(str(recipe.containerfile)) or _misplaced(path, str(recipe.containerfile), around.top)
    if problem is not None:
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
            notes.problem(("args", name), (Code.CONTAINERFILE_ARGUMENT, message, hint), key=True)
    _check_format(read, recipe, notes, around.form)
    try:
        notes.found.extend(odd(path.parent))
    except Refused as refused:
        notes.found.extend(refused.diagnostics)
    meant = contexts(recipe, notes, read, around)
    instruction = image.Containerfile(
        folder=str(path.parent),
        name=path.name,
        text=read.text,
        lines=tuple((item.word, item.value) for item in read.instructions),
        images=tuple(item for item in meant if isinstance(item, image.NamedImage)),
        others=tuple(item for item in meant if isinstance(item, image.OtherImage)),
        arguments=tuple((recipe.args or {}).items()),
        dated="SOURCE_DATE_EPOCH" in read.arguments,
        network=bool(recipe.network),
        plain=read.plain,
        documents=tuple(image.HereFile(item.path, item.text, item.executable) for item in read.documents),
        contexts=tuple(item for item in meant if isinstance(item, image.ContextFolder)),
        secrets=secrets(recipe, notes, read),
        based=read.based,
        triggers=(read.onbuild,) if read.onbuild else (),
        spot=notes.spot("containerfile"),
        spots=tuple(item.spot for item in read.instructions),
    )
    return instruction, _parent(read, meant), read


def _check_format(read: Containerfile, recipe: schema.Recipe, notes: Notes, form: image.Format) -> None:
    """Report what the format does not have, and what the rest of the recipe contradicts."""
    if form == "oci" and read.healthcheck is not None:
        hint = "write format: docker in set.yaml, or leave the health check out"
        message = "an image in the OCI format has no health check"
        notes.found.append(Diagnostic(read.healthcheck, Code.OCI_HEALTHCHECK, message, hint))
    if form == "oci" and read.onbuild is not None:
        hint = "write format: docker in set.yaml, or leave it out"
        message = "an image in the OCI format has no triggers for its children"
        notes.found.append(Diagnostic(read.onbuild, Code.OCI_ONBUILD, message, hint))
    for spot in read.offline if recipe.network else ():
        hint = "leave network: true out of the recipe, or this flag"
        message = "the recipe gives the whole build a network, also this RUN"
        notes.found.append(Diagnostic(spot, Code.CONTAINERFILE_FLAG, message, hint))


def _parent(read: Containerfile, meant: Iterable[Meant]) -> Parent:
    for item in meant:
        if item.written == read.parent.name:
            match item:
                case image.NamedImage():
                    return image.ParentImage(item.image)
                case image.OtherImage():
                    return image.BaseImage(item.reference)
                case image.ContextFolder():
                    pass
    return image.EmptyRoot()


def _misplaced(path: Path, written: str, top: Path) -> Problem | None:
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top)):
        return Code.PATH_LEAVES_CONTEXT, f"{path} lies outside of {top}", "put it there, with its context"
    if path.is_dir():
        inside = [name for name in ("Containerfile", "Dockerfile") if (path / name).is_file()]
        hint = f"write {inside[0]} behind it" if inside else "name the file"
        return Code.MISSING_FILE, f"{path} is a folder", hint
    if not path.exists():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = closest_path(written, siblings) or "a path is taken from the folder of the recipe's file"
        return Code.MISSING_FILE, f"there is no {path}", hint
    return None


def check_triggers(images: Mapping[str, image.Image], found: list[Diagnostic]) -> None:
    """Report recipes that begin with or copy from an image with ONBUILD: only builders run triggers."""
    triggers = {name: item.containerfile.triggers for name, item in images.items() if item.containerfile}
    for item in images.values():
        if item.containerfile:
            continue
        for name, spot in item.dependencies().items():
            for trigger in triggers.get(name, ()):
                message = f"'{name}' has ONBUILD triggers, which are not run for a recipe"
                hint = f"a Containerfile that begins FROM {name} runs them; or leave them out there"
                related = ((trigger, "the trigger"),)
                found.append(Diagnostic(spot, Code.CONTAINERFILE_ONBUILD, message, hint, related))


def check_alone(draft: Draft, name: str, found: list[Diagnostic]) -> None:
    """Report keys of recipe, traits, `common` and overlays that only the Containerfile can set."""
    asked: dict[str, Spot] = {}
    for key, spots in (
        ("accounts", [spot for _, spot in draft.accounts.values()]),
        ("repositories", [item.spot for item in draft.repositories.values()]),
        ("before", [step.spot for step in draft.before]),
        ("packages", [item.spot for item in draft.packages.values()]),
        ("steps", [step.spot for step in draft.steps]),
        *((key.replace("_", "-"), [spot]) for key, (_, spot) in draft.scalars.items() if key != "version_of"),
        ("env", [spot for _, spot in draft.env.values()]),
        ("volumes", [*draft.volumes.values()]),
        ("ports", [*draft.ports.values()]),
    ):
        if spots:
            asked[key] = spots[0]
    for key, spot in asked.items():
        message = f"'{key}' does not reach '{name}', which is built by a Containerfile"
        hint = "write it into the Containerfile; the recipe may have labels, annotations and test"
        found.append(Diagnostic(spot, Code.CONTAINERFILE_ALONE, message, hint))


def written_below(images: Mapping[str, Image], read: Mapping[str, Containerfile]) -> Iterator[Diagnostic]:
    """A warning for each RUN that names a path below a volume; `read`: the Containerfiles by image.

    A builder takes back what a RUN changes below a volume, of the file or of an image that it begins with.
    """
    for name, file in read.items():
        step = images[name].containerfile
        named = {item.written: item.image for item in step.images} if step else {}
        for command in file.commands:
            own = dict.fromkeys(command.volumes, "")
            inherited = _volumes(named.get(command.base, ""), images, read)
            for volume, where in (inherited | own).items():
                if re.search(rf"(?<![\w./-]){re.escape(volume)}(?=/|[^\w./-]|$)", command.text):
                    owner = f" of '{where}'" if where else ""
                    message = f"what this RUN writes below {volume} is lost: it is a volume{owner}"
                    hint = "write it before VOLUME, or COPY it there"
                    yield Diagnostic(command.spot, Code.BELOW_A_VOLUME, message, hint)


def _volumes(name: str, images: Mapping[str, Image], read: Mapping[str, Containerfile]) -> dict[str, str]:
    """The volumes of an image and its parents, each with the image that declares it."""
    found: dict[str, str] = {}
    while image := images.get(name):
        declared = read[name].volumes if name in read else image.config.volumes
        found = {volume.rstrip("/"): name for volume in declared} | found
        name = image.parent.name if isinstance(image.parent, ParentImage) else ""
    return found
