"""Verbs that look at an image set and change nothing: check, list, show, graph; and schema."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import click

from buildsys.cli.counting import counted
from buildsys.cli.ending import REFUSED, Ended, say
from buildsys.cli.options import EVERY, Choice, Selection, takes_selection, takes_set
from buildsys.cli.output import dim, put, put_table, put_tree
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest

if TYPE_CHECKING:
    from buildsys.image import Image

as_json = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


@click.command()
@takes_set
@as_json
def check(choice: Choice, *, as_json: bool) -> None:
    """Check the recipes of an image set, for all its sites.

    With --site, for that one. All mistakes are told together, each with its file, line and column.
    """
    found: set[Diagnostic] = set()
    image_set = None
    try:
        library = choice.load()
        sites: list[str | None] = [choice.site] if choice.site else [*sorted(library.sites)]
        for site in sites or [None]:
            try:
                image_set = replace(choice, site=site).look(library)
                choice.check_epoch(library, image_set)
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
    if image_set is not None and choice.site:
        EVERY.tell_absent(image_set)
    images = len(image_set.images) if image_set is not None else 0
    for remark in image_set.remarks if image_set is not None else ():
        say(f"{remark.text('warning')}\n")
    say(f"{choice.name}: {counted(images, 'image')}, no mistakes")


@click.command("list")
@takes_set
@takes_selection(parents=False)
@as_json
def list_images(choice: Choice, selection: Selection, *, as_json: bool) -> None:
    """List images: name, parent, reference, profiles.

    Parents come before children. IMAGE is a name, a glob in quotes ('neutron-*') or a profile (@compute);
    none: all of the set.
    """
    image_set = choice.look()
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
        "at": str(image.spot),
    }


@click.command()
@takes_set
@click.argument("name", metavar="IMAGE")
@as_json
def show(choice: Choice, name: str, *, as_json: bool) -> None:
    """Show one resolved image, each value with where it was written."""
    from buildsys.cli.image_text import beside, data, lines

    image_set = choice.look()
    image = image_set.images.get(name)
    if image is None:
        message = f"{image_set.name} has no image called '{name}'"
        raise Refused([Diagnostic(NOWHERE, Code.UNKNOWN_IMAGE, message, closest(name, image_set.images))])
    if as_json:
        put(json.dumps(data(image), indent=1, ensure_ascii=False))
        return
    for text, spot in beside(lines(image)):
        put(text + dim(spot))


@click.command()
@takes_set
@takes_selection(parents=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "dot", "json", "mermaid"]),
    default="tree",
    show_default=True,
    help="A tree to read, or a graph for Graphviz, programs or Mermaid.",
)
def graph(choice: Choice, selection: Selection, form: str) -> None:
    """Show which image is made from which.

    IMAGE is a name, a glob in quotes ('neutron-*') or a profile (@compute); none: all of the set.
    """
    from buildsys.cli import drawing

    image_set = choice.look()
    images = [image_set.images[name] for name in selection.names(image_set)]
    if form == "tree":
        put_tree(drawing.tree(image_set.name, images))
    else:
        draw = {"dot": drawing.dot, "json": drawing.as_json, "mermaid": drawing.mermaid}[form]
        put(draw(image_set.name, images))


@click.command()
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
