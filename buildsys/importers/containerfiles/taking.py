"""Take a tree over: read its Containerfiles, find which images they mean, and write the set."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Diagnostic, Refused, closest
from buildsys.image import NAME
from buildsys.image.renaming import renamed
from buildsys.importers.containerfiles.checking import is_odd, unfit
from buildsys.importers.containerfiles.naming import Meant, Naming, meant, naming, own
from buildsys.importers.containerfiles.tree import FILES, Folder, folders
from buildsys.importers.untaken import untaken
from buildsys.recipe.containerfile import Containerfile, read_containerfile
from buildsys.recipe.flow import flow

CONTEXTS = "containerfiles"
"""The set's folder for contexts: below images/ their YAML would be read as recipes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says besides."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    """Values for what ARG declares."""
    network: Sequence[str] = ()
    """Names and globs of images that are built with a network."""


@dataclass(slots=True)
class _Image:
    """An image of the tree, read."""

    folder: Folder
    read: Containerfile
    meant: dict[str, Meant] = field(default_factory=dict)
    """By reference."""

    @property
    def needs(self) -> list[str]:
        """The images of the tree that it reads."""
        return [item.image for item in self.meant.values() if item.image]


def take_over(top: Path, output: Path, asked: Asked) -> tuple[tuple[str, ...], list[Diagnostic]]:
    """Write the tree at `top` as an image set into `output`, which must be empty or not there at all.

    The images that are taken come back, and what is not.

    Raises:
        Refused: there is no tree, `output` is taken (`file-exists`), or what was asked for fits no image.
    """
    _check_places(top, output)
    found: list[Diagnostic] = []
    every = folders(top, found)
    images = {item.name: image for item in every if (image := _read(item, asked, found))}
    _check_arguments(images, asked, found)
    around = _understand(images, [item.name for item in every], _usual(output), found)
    if not images:
        hint = f"an image is a folder with a {' or a '.join(FILES)}"
        none = Diagnostic(NOWHERE, "no-match", f"{top} holds no image that can be taken over", hint)
        raise Refused([none, *found])
    network = _networked(images, asked)
    for image in images.values():
        found += unfit(image.read, image.folder, top, network=image.folder.name in network)
    _write(images, around, network, asked, output)
    return tuple(sorted(images)), sorted(set(found))


def _check_places(top: Path, output: Path) -> None:
    if not top.is_dir():
        raise _refused("no-match", f"there is no folder {top}", "name the folder of the tree")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise _refused("file-exists", f"{output} is there already", "choose another place with -o")
    name = _set_name(output)
    if not NAME.fullmatch(name):
        named = output.name not in {"", ".."}
        there = output.with_name(_usual(output).namespace) if named else output / _usual(output).namespace
        raise _refused("bad-name", f"'{name}' cannot name a set", f"say where it goes: -o {there}")
    if output.is_symlink():
        raise _refused("file-exists", f"{output} is a link", "choose another place with -o")
    if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(top)):
        raise _refused("bad-choice", f"{output} lies within {top}", "write the set beside the tree")


def _set_name(output: Path) -> str:
    return Path(os.path.realpath(output)).name


def _refused(code: str, message: str, hint: str) -> Refused:
    return Refused([Diagnostic(NOWHERE, code, message, hint)])


def _read(folder: Folder, asked: Asked, found: list[Diagnostic]) -> _Image | None:
    try:
        return _Image(folder, read_containerfile(folder.file, asked.arguments))
    except Refused as refused:
        for item in refused.diagnostics:
            hint = item.hint.replace("args: in the recipe", "--arg NAME=VALUE")
            found.append(untaken(item.spot, f"'{folder.name}'", item.message, hint))
        return None


def _usual(output: Path) -> Naming:
    name = re.sub(r"[._-]{2,}", "-", re.sub(r"[^a-z0-9._-]+", "-", _set_name(output).lower())).strip("._-")
    return Naming("localhost", name or "images", "", "latest")


def _understand(
    images: dict[str, _Image], every: Sequence[str], usual: Naming, found: list[Diagnostic]
) -> Naming:
    """Find what each reference means; images that need one that is not taken leave as well."""
    references = [(name, item.name) for name, image in images.items() for item in image.read.reads]
    beginnings = {(name, reference) for name, reference in references if own(reference, name, every)}
    public = {reference for _, reference in beginnings}
    around = naming((item for _, item in references if item not in public), every, usual)
    for name, image in images.items():
        for item in image.read.reads:
            means = meant(item.name, every, around)
            if (name, item.name) in beginnings:
                # Nothing is made from itself. A name without a tag would be the recipe's.
                means = Meant("", plain=item.name != name)
            elif (means.image, item.name) in beginnings and item.name != means.image:
                means = Meant("", like=means.image)
            image.meant[item.name] = means
            if means.like:
                hint = f"if the tree's '{means.like}' is meant, write FROM {means.like}"
                message = f"{item.name} is taken as an image built elsewhere"
                found.append(Diagnostic(item.spot, "not-taken-over", message, hint))
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


def _networked(images: Mapping[str, _Image], asked: Asked) -> set[str]:
    chosen: set[str] = set()
    for pattern in asked.network:
        names = {name for name in images if fnmatchcase(name, pattern)}
        if not names:
            message = f"--network: no image is called '{pattern}'"
            raise _refused("no-match", message, closest(pattern, images))
        chosen |= names
    return chosen


def _check_arguments(images: Mapping[str, _Image], asked: Asked, found: Sequence[Diagnostic]) -> None:
    """Of what could not be read nobody knows what it declares: that is told as well."""
    declared = {name for image in images.values() for name in image.read.arguments}
    unknown = [
        Diagnostic(
            NOWHERE,
            "containerfile-argument",
            f"--arg: no Containerfile that can be read declares ARG {name}",
            closest(name, declared),
        )
        for name in asked.arguments
        if name not in declared
    ]
    if unknown:
        raise Refused([*unknown, *found])


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────


def _write(
    images: Mapping[str, _Image], around: Naming, network: set[str], asked: Asked, output: Path
) -> None:
    """Write the set aside, and bring it to its place whole."""
    name = _set_name(output)
    beside = output if output.is_dir() else output.parent
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=beside) as place:
        made = Path(place) / name
        for image in images.values():
            context = made / CONTEXTS / image.folder.name
            _copy(image.folder.path, context)
            _adapt(image, context / image.folder.file.name)
            recipe = made / "images" / f"{image.folder.name}.yaml"
            recipe.parent.mkdir(exist_ok=True)
            recipe.write_text(_recipe(image, asked, networked=image.folder.name in network), "utf-8")
        (made / "set.yaml").write_text(_header(images, around, name), "utf-8")
        (made / "sites").mkdir()
        (made / "sites/elsewhere.yaml").write_text(_site(images), "utf-8")
        if beside != output:
            made.rename(output)
            return
        # Somebody may be in that folder: it stays. What makes a set of it comes last.
        for entry in sorted(made.iterdir(), key=lambda entry: entry.name == "set.yaml"):
            entry.rename(output / entry.name)


def _copy(folder: Path, target: Path) -> None:
    """Copy a context: links as links; without git's own, and without what holds no bytes to copy."""
    target.mkdir(parents=True)
    for entry in sorted(folder.iterdir()):
        if entry.name == ".git" or is_odd(entry):
            continue
        if entry.is_dir() and not entry.is_symlink():
            _copy(entry, target / entry.name)
        else:
            shutil.copy2(entry, target / entry.name, follow_symlinks=False)


def _adapt(image: _Image, file: Path) -> None:
    """Write names of recipes in place of what only the tree's own builder understands.

    A Containerfile that is a link becomes a file: what it leads to is not the set's.
    """
    changes = [
        (item.name, item.places, means.image or f"{item.name}:latest")
        for item in image.read.reads
        if not (means := image.meant[item.name]).plain
    ]
    if file.is_symlink():
        file.unlink()
        shutil.copy2(image.folder.file, file)
    if changes:
        file.unlink()  # it may be read-only, as it is in the tree
        file.write_text(renamed(image.read.text, changes), "utf-8")


def _recipe(image: _Image, asked: Asked, *, networked: bool) -> str:
    arguments = {name: value for name, value in asked.arguments.items() if name in image.read.arguments}
    file = f"../{CONTEXTS}/{image.folder.name}/{image.folder.file.name}"
    lines = [f"image: {flow(image.folder.name)}", f"containerfile: {file}"]
    lines += ["network: true"] if networked else []
    lines += [f"args: {flow(arguments)}"] if arguments else []
    return "".join(f"{line}\n" for line in lines)


def _header(images: Mapping[str, _Image], around: Naming, name: str) -> str:
    """set.yaml. No file of a layer is newer than the newest Containerfile."""
    epoch = max(int(image.folder.file.stat().st_mtime) for image in images.values())
    said = {"set": name, "registry": around.registry, "namespace": around.namespace, "prefix": around.prefix,
            "tag": around.tag, "epoch": epoch, "site": "elsewhere"}  # fmt: skip
    return "".join(f"{key}: {flow(value)}\n" for key, value in said.items() if value != "")


def _site(images: Mapping[str, _Image]) -> str:
    """A site. Containerfiles name their bases themselves: it is there for recipes that begin `from: site`."""
    outside = sorted(
        name for image in images.values() for name, item in image.meant.items() if not item.image
    )
    base = max(outside, key=outside.count, default="")
    lines = ["site: elsewhere", "about: Containerfiles name what they are made from."]
    lines += [f"base: {{image: {flow(base)}}}", "installer: dnf", "inside: true"] if base else [
        "base: {bootstrap: [bash]}", "installer: dnf",
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in lines)
