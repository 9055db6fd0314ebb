"""Verbs that look at an image set and change nothing: check, list, show, graph; and schema."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import click

from buildsys.cli.completion import image_names
from buildsys.cli.options import as_json, examples, takes_selection, takes_set
from buildsys.cli.output import REFUSED, Ended, dim, put, put_table, put_tree, say, warn_of_absent
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest, counted
from buildsys.pipeline import Pipeline
from buildsys.selection import EVERY, Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.tree import Tree

    from buildsys.image import Image


@click.command(epilog=examples("buildsys check stable-pike", "buildsys check stable-pike --site rdo --json"))
@takes_set
@as_json
def check(pipeline: Pipeline, *, as_json: bool) -> None:
    """Check the recipes of an image set, for all its sites.

    With --site, for that one. All mistakes are reported together, each with its file, line and column.
    """
    found: set[Diagnostic] = set()
    image_set = None
    try:
        library = pipeline.load()
        sites: list[str | None] = [pipeline.site] if pipeline.site else [*sorted(library.sites)]
        for site in sites or [None]:
            try:
                image_set = replace(pipeline, site=site).resolve(library)
                pipeline.check_epoch(library, image_set)
            except Refused as refused:
                found.update(refused.diagnostics)
    except Refused as refused:
        found.update(refused.diagnostics)
    if as_json:
        put(Refused(found).json())
        if found:
            raise Ended(REFUSED)
    elif found:
        raise Refused(found)
    if image_set is not None and pipeline.site:
        warn_of_absent(EVERY, image_set)
    images = len(image_set.images) if image_set is not None else 0
    for remark in image_set.remarks if image_set is not None else ():
        say(f"{remark.text('warning')}\n")
    say(f"{pipeline.name}: {counted(images, 'image')}, no mistakes")


@click.command(
    "list", epilog=examples("buildsys list stable-pike", "buildsys list stable-pike 'neutron-*' --parents")
)
@takes_set
@takes_selection(parents=False)
@as_json
def list_images(pipeline: Pipeline, selection: Selection, *, as_json: bool) -> None:
    """List images: name, parent, reference, profiles.

    Parents come before children. IMAGE is a name, a glob in quotes ('neutron-*') or a profile (@compute);
    none: all of the set.
    """
    image_set = pipeline.resolve()
    images = [image_set.images[name] for name in selection.names(image_set)]
    if as_json:
        put(json.dumps([_listed(image) for image in images], indent=1))
        return
    rows = [
        (image.name, parent_name(image), str(image.reference), " ".join(image.profiles)) for image in images
    ]
    put_table(("IMAGE", "FROM", "REFERENCE", "PROFILES"), rows)


def _listed(image: Image) -> dict[str, object]:
    return {
        "image": image.name,
        "from": parent_name(image),
        "reads": list(image.dependencies()),
        "reference": str(image.reference),
        "profiles": list(image.profiles),
        "at": image.spot.shown(),
    }


@click.command(epilog=examples("buildsys show stable-pike nova-api"))
@takes_set
@click.argument("name", metavar="IMAGE", shell_complete=image_names)
@as_json
def show(pipeline: Pipeline, name: str, *, as_json: bool) -> None:
    """Show one resolved image, each value with where it was written."""
    from buildsys.cli.image_text import data, lines, with_places

    image_set = pipeline.resolve()
    image = image_set.images.get(name)
    if image is None:
        message = f"{image_set.name} has no image called '{name}'"
        raise Refused([Diagnostic(NOWHERE, Code.UNKNOWN_IMAGE, message, closest(name, image_set.images))])
    if as_json:
        put(json.dumps(data(image), indent=1, ensure_ascii=False))
        return
    for text, spot in with_places(lines(image)):
        put(text + dim(spot))


@click.command(
    epilog=examples("buildsys graph stable-pike @compute", "buildsys graph stable-pike --svg >pike.svg")
)
@takes_set
@takes_selection(parents=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "dot", "json", "mermaid", "svg"]),
    default="tree",
    show_default=True,
    help="A tree to read, a graph for Graphviz, programs or Mermaid, or a picture.",
)
@click.option("--svg", is_flag=True, help="The same as --format=svg.")
def graph(pipeline: Pipeline, selection: Selection, form: str, *, svg: bool) -> None:
    """Show which image is made from which.

    IMAGE is a name, a glob in quotes ('neutron-*') or a profile (@compute); none: all of the set.
    """
    image_set = pipeline.resolve()
    images = [image_set.images[name] for name in selection.names(image_set)]
    # Two options for one parameter mean another default in click 8.1 (Debian 13).
    form = "svg" if svg else form
    if form == "tree":
        put_tree(_tree(image_set.name, images))
    elif form == "svg":
        from buildsys.report.page import picture

        parents = {image.name: read for image in images for read, kind in _reads(image) if kind == "from"}
        put(picture(image_set.name, _drawn(images), parents))
    else:
        draw = {"dot": _dot, "json": _graph_json, "mermaid": _mermaid}[form]
        put(draw(image_set.name, images))


@click.command(epilog=examples("buildsys schema >buildsys.schema.json"))
def schema() -> None:
    """Print the JSON Schema of recipes, for editors."""
    from buildsys.recipe.schema import json_schema

    put(json.dumps(json_schema(), indent=1))


def parent_name(image: Image) -> str:
    """What an image is made from, in a word: an image of the set, a base image, or `scratch`."""
    from buildsys.image import BaseImage, EmptyRoot, ParentImage

    match image.parent:
        case ParentImage(name):
            return name
        case BaseImage(reference):
            return reference
        case EmptyRoot():
            return "scratch"
        case other:
            assert_never(other)


# ── the graph, drawn ───────────────────────────────────────────────────────────────────────────────────────


def _tree(title: str, images: Sequence[Image]) -> Tree:
    """Each image below its parent, with the other images that it copies from; parents come first."""
    from rich.tree import Tree

    from buildsys.image import ParentImage

    top = Tree(title)
    branches: dict[str, Tree] = {}
    for image in images:
        parent = image.parent.name if isinstance(image.parent, ParentImage) else ""
        # A parent that was not chosen leaves its children at the top, with its name.
        at = branches.get(parent, top)
        label = image.name if at is not top or not parent else f"{image.name} (from {parent})"
        others = [name for name in image.dependencies() if name != parent]
        branches[image.name] = at.add(f"{label} (copies from {', '.join(others)})" if others else label)
    return top


def _dot(title: str, images: Iterable[Image]) -> str:
    """For Graphviz: an arrow from each image to what is made from it, dashed where it only copies."""
    lines = [f"digraph {json.dumps(title)} {{", "  rankdir=LR;", "  node [shape=box];"]
    for image in images:
        lines.append(f'  "{image.name}";')
        lines += [
            f'  "{read}" -> "{image.name}"{"" if kind == "from" else " [style=dashed]"};'
            for read, kind in _reads(image)
        ]
    return "\n".join([*lines, "}"])


def _mermaid(title: str, images: Iterable[Image]) -> str:
    """For Mermaid: as in `dot`."""
    lines = ["---", f"title: {json.dumps(title)}", "---", "flowchart LR"]
    for image in images:
        lines.append(f'  {_identifier(image.name)}["{image.name}"]')
        for read, kind in _reads(image):
            arrow = "-->" if kind == "from" else "-.->"
            lines.append(f"  {_identifier(read)} {arrow} {_identifier(image.name)}")
    return "\n".join(lines)


def _graph_json(title: str, images: Iterable[Image]) -> str:
    """For programs: the images, parents before children, and what each is made from."""
    nodes = [
        {"image": image.name, "reads": [{"image": read, "as": kind} for read, kind in _reads(image)]}
        for image in images
    ]
    return json.dumps({"set": title, "images": nodes}, indent=1)


def _drawn(images: Sequence[Image]) -> dict[str, list[str]]:
    """The images that each image is made from, without those that are not drawn."""
    names = {image.name for image in images}
    return {image.name: [read for read, _ in _reads(image) if read in names] for image in images}


def _reads(image: Image) -> list[tuple[str, str]]:
    """The images that an image is made from: pairs of a name and `from` or `copy`."""
    from buildsys.image import ParentImage

    parent = image.parent.name if isinstance(image.parent, ParentImage) else ""
    return [(name, "from" if name == parent else "copy") for name in image.dependencies()]


def _identifier(name: str) -> str:
    """A name Mermaid takes for a node: it gives words like `end` and signs like `.` a meaning of its own."""
    return "image_" + "".join(char if char.isalnum() else f"_{ord(char):x}_" for char in name)
