"""The verb that lists the image sets there are: sets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from buildsys import search_path
from buildsys.cli.options import as_json, examples, searched, takes_recipes
from buildsys.cli.output import put, put_table, say


@click.command(epilog=examples("buildsys sets", "buildsys sets --recipes /srv/recipes"))
@takes_recipes
@as_json
def sets(recipes: tuple[Path, ...], *, as_json: bool) -> None:
    """List the image sets that are found by name, and the folders that are searched.

    A line for each set: name, number of images, folder. Of two sets of one name the first counts, and the
    other is marked as hidden. The searched folders follow, in their order, as messages.
    """
    folders = searched(recipes)
    found = list(search_path.sets(folders))
    if as_json:
        data = {
            "sets": [
                {"name": item.name, "images": _images(item.directory), "directory": str(item.directory),
                 "hidden": item.hidden}
                for item in found
            ],
            "searched": [
                {"directory": str(item.path), "reason": item.reason, "exists": item.path.is_dir()}
                for item in folders
            ],
        }  # fmt: skip
        put(json.dumps(data, indent=1))
        return
    rows = (
        (item.name, str(_images(item.directory)), str(item.directory), "hidden" if item.hidden else "")
        for item in found
    )
    put_table(("SET", "IMAGES", "FOLDER", ""), rows)
    say("searched, in this order:")
    for folder in folders:
        absent = "" if folder.path.is_dir() else ", does not exist"
        say(f"  {folder.path} ({folder.reason}{absent})")


def _images(directory: Path) -> int:
    """How many recipes a set has; none is read."""
    return sum(name.endswith(".yaml") for _, _, names in os.walk(directory / "images") for name in names)
