"""Write the imported set: contexts, recipes, set.yaml and a site."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from buildsys.image.build_file import renamed
from buildsys.importers.containerfiles.folders import IGNORE_FILES
from buildsys.importers.containerfiles.gaps import is_odd
from buildsys.importers.containerfiles.references import Naming
from buildsys.importers.containerfiles.tree_image import TreeImage
from buildsys.importers.set_folder import set_name, written_whole
from buildsys.recipe.yaml_text import flow

CONTEXTS = "containerfiles"
"""The set's folder for contexts: below images/ their YAML would be read as recipes."""
GIVEN = "contexts"
"""The set's folder for named build contexts."""


def write_set(
    images: Collection[TreeImage],
    around: Naming,
    network: set[str],
    arguments: Mapping[str, str],
    output: Path,
) -> None:
    """Write the set as a whole, or nothing."""
    folders: dict[str, Path] = {}
    with written_whole(output) as made:
        for image in images:
            context = made / CONTEXTS / image.folder.name
            _fill(context, image)
            _adapt(image, context / image.folder.file.name)
            recipe = made / "images" / f"{image.folder.name}.yaml"
            recipe.parent.mkdir(exist_ok=True)
            contexts = dict(_contexts(image, made, folders))
            text = _recipe(image, arguments, contexts, networked=image.folder.name in network)
            recipe.write_text(text, "utf-8")
        (made / "set.yaml").write_text(_header(images, around, set_name(output)), "utf-8")
        (made / "sites").mkdir()
        (made / "sites/elsewhere.yaml").write_text(_site(images), "utf-8")


def _contexts(image: TreeImage, made: Path, folders: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield the recipe's `contexts:`; `folders` are those that the set has already."""
    for name, value in image.contexts.items():
        if isinstance(value, str):
            yield name, value
            continue
        there = name if folders.get(name, value) == value else f"{image.folder.name}-{name}"
        if there not in folders:
            folders[there] = value
            _copy(value, made / GIVEN / there)
        yield name, f"../{GIVEN}/{there}"


def _fill(context: Path, image: TreeImage) -> None:
    """Copy an image's context. An ignore file of one Containerfile becomes that of its copy."""
    context.mkdir(parents=True)
    for path in image.context:
        _copy(path, context / path.relative_to(image.folder.path))
    for ending in IGNORE_FILES:
        file = image.folder.file
        own = file.with_name(f"{file.name}{ending}")
        if own.is_file():
            for name in IGNORE_FILES:
                (context / name).unlink(missing_ok=True)
            shutil.copy2(own, context / ending)
            return


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder; links stay links. Skip .git, and pipes, sockets and devices."""
    if source.name == ".git" or is_odd(source):
        return
    if source.is_dir() and not source.is_symlink():
        target.mkdir(parents=True, exist_ok=True)
        for entry in sorted(source.iterdir()):
            _copy(entry, target / entry.name)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)


def _adapt(image: TreeImage, file: Path) -> None:
    """Replace references that only the tree's own builder understands by names of recipes.

    A Containerfile that is a link becomes a file: its target is not in the set.
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


def _recipe(
    image: TreeImage, arguments: Mapping[str, str], contexts: Mapping[str, str], *, networked: bool
) -> str:
    declared = {name: value for name, value in arguments.items() if name in image.read.arguments}
    file = f"../{CONTEXTS}/{image.folder.name}/{image.folder.file.name}"
    lines = [f"image: {flow(image.folder.name)}", f"containerfile: {file}"]
    lines += ["network: true"] if networked else []
    lines += [f"args: {flow(declared)}"] if declared else []
    lines += [f"contexts: {flow(contexts)}"] if contexts else []
    return "".join(f"{line}\n" for line in lines)


def _header(images: Collection[TreeImage], around: Naming, name: str) -> str:
    """Return set.yaml. Its epoch is the time of the newest Containerfile."""
    epoch = max(int(image.folder.file.stat().st_mtime) for image in images)
    keys = {"set": name, "registry": around.registry, "namespace": around.namespace, "prefix": around.prefix,
            "tag": around.tag, "epoch": epoch, "site": "elsewhere"}  # fmt: skip
    return "".join(f"{key}: {flow(value)}\n" for key, value in keys.items() if value != "")


def _site(images: Collection[TreeImage]) -> str:
    """Return a site, for recipes with `from: site`; Containerfiles name their bases themselves."""
    outside = sorted(
        name
        for image in images
        for name, item in image.meant.items()
        if not item.image and name not in image.named
    )
    base = max(outside, key=outside.count, default="")
    lines = ["site: elsewhere", "about: Containerfiles name what they are made from."]
    lines += [f"base: {{image: {flow(base)}}}", "installer: dnf", "inside: true"] if base else [
        "base: {bootstrap: [bash]}", "installer: dnf",
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in lines)
