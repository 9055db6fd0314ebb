"""Write the imported set: recipes, the files that they copy, set.yaml and a site."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Spot
from buildsys.importers.containerfiles.references import Naming
from buildsys.importers.overlay_text import Changes, Step
from buildsys.importers.set_folder import set_name, write_files, written_whole
from buildsys.importers.tcib.definition import Image
from buildsys.importers.yaml_lines import comment_text, list_lines, step_lines, value_text, with_place
from buildsys.recipe.yaml_text import flow

SITE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Properties of the whole set."""

    naming: Naming
    base: str
    """The site's base image."""
    release: str
    """The distribution's release."""


def write_set(
    images: Collection[Image], parents: Mapping[str, Any], around: Surroundings, output: Path
) -> None:
    """Write the set as a whole, or nothing. `parents`: image -> its `from:`."""
    files = {path: file for image in images for path, file in image.changes.files.items()}
    with written_whole(output) as made:
        (made / "images").mkdir()
        for image in images:
            name = image.folder.name
            lines = _recipe(name, parents[name], image)
            (made / "images" / f"{name}.yaml").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        if files:
            write_files(files, made / "files")
        (made / "set.yaml").write_text(_header(images, around.naming, set_name(output)), "utf-8")
        (made / "sites").mkdir()
        (made / f"sites/{SITE}.yaml").write_text(_site(images, around), "utf-8")


def _recipe(name: str, parent: Any, image: Image) -> Iterator[str]:
    changes = image.changes
    yield f"# Taken over from {comment_text(str(image.folder.path))}."
    yield f"image: {flow(name)}"
    yield f"from: {flow(parent)}"
    before, packages, after = _arranged(changes)
    for key, steps in (("before", before), ("packages", packages), ("steps", after)):
        if key == "packages" and packages:
            (step, spot), *_ = packages
            yield from list_lines("packages:", dict.fromkeys(step["packages"], _short(spot)))
        elif steps:
            yield f"{key}:"
            for step, spot in steps:
                yield from (f"  {line}" for line in step_lines(step, _short(spot)))
    for key, (value, spot) in changes.scalars.items():
        if value is not None:
            yield with_place(f"{key}: {value_text(value)}", _short(spot))
    for key, items in changes.maps.items():
        yield f"{key}:"
        for item, (value, spot) in items.items():
            yield with_place(f"  {flow(item)}: {value_text(value)}", _short(spot))
    for key, things in changes.lists.items():
        yield from list_lines(f"{key}:", {item: _short(spot) for item, spot in things.items()})


def _short(spot: Spot) -> Spot:
    """Shorten a place to the file name: the recipe's head names the image's folder."""
    return Spot(Path(spot.file).name, spot.line)


Placed = list[tuple[Step, Spot]]


def _arranged(changes: Changes) -> tuple[Placed, Placed, Placed]:
    """Split the steps: before the first packages, these, and after them."""
    steps = changes.steps
    first = next((number for number, (step, _) in enumerate(steps) if "packages" in step), None)
    if first is None:
        return [], [], steps
    return steps[:first], steps[first : first + 1], steps[first + 1 :]


def _header(images: Collection[Image], naming: Naming, name: str) -> str:
    """Return set.yaml. Its epoch is the time of the newest file of the tree."""
    epoch = max(int(file.stat().st_mtime) for image in images for file in image.folder.files)
    values = {"set": name, "registry": naming.registry, "namespace": naming.namespace,
              "prefix": naming.prefix,
              "tag": naming.tag, "format": "docker", "epoch": epoch, "site": SITE}  # fmt: skip
    return "".join(f"{key}: {flow(value)}\n" for key, value in values.items() if value != "")


def _site(images: Collection[Image], around: Surroundings) -> str:
    """Return a site: as with tcib, packages come from the repositories of the building host."""
    lines = [
        f"site: {SITE}",
        "about: The tree's base image, and packages of the repositories that this host has enabled.",
        f"base: {{image: {flow(around.base)}}}",
        "installer: dnf",
        f"release: {flow(around.release)}",
        "repositories: host",
    ]
    downloads = {url: spot for image in images for url, spot in image.changes.downloads.items()}
    if downloads:
        lines.append("downloads:")
        lines += [with_place(f"  {flow(url)}: {{unverified: true}}", spot) for url, spot in downloads.items()]
    return "".join(f"{line}\n" for line in lines)
