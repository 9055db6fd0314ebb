"""The verb that shows defaults and where they were set: config."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping

import click

from buildsys import search_path
from buildsys.cli.defaults import destinations_of
from buildsys.cli.options import as_json, examples
from buildsys.cli.output import put, put_table, say
from buildsys.cli.stores import store_of
from buildsys.settings import Setting, files, settings

VARIABLES = {
    "site": "BS_SITE",
    "store": "BS_STORE",
    "to": "BS_TO",
    "jobs": "BS_JOBS",
    "recipes": search_path.VARIABLE,
    "build-dir": "BS_BUILD_DIR",
}
"""Key -> the environment variable that counts before configuration files."""
BUILT_IN = {
    "site": "of each set",
    "store": "buildah's own",
    "to": "none",
    "jobs": "what suits this host",
    "recipes": "`buildsys sets` lists all folders",
    "build-dir": "build",
}
CHECKS: Mapping[str, Callable[[Setting], object]] = {"store": store_of, "to": destinations_of}
"""Key -> what refuses a value that options would not take; of the other keys nothing is left to check."""


@click.command(epilog=examples("buildsys config", "buildsys config --json"))
@as_json
def config(*, as_json: bool) -> None:
    """Show the defaults of options, each with the place that set it.

    The command line counts before the environment, that before the user's configuration file, that before the
    host's. A line for each key: key, value, place.
    """
    rows = list(_rows())
    if as_json:
        put(json.dumps([{"key": key, "value": value, "from": place} for key, value, place in rows], indent=1))
        return
    texts = (
        " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value) for _, value, _ in rows
    )
    put_table(
        ("KEY", "VALUE", "FROM"),
        [(key, text, place) for (key, _, place), text in zip(rows, texts, strict=True)],
    )
    for path in files(os.environ):
        say(f"{path}: {'read' if path.is_file() else 'does not exist'}")


def _rows() -> Iterator[tuple[str, object, str]]:
    """Key, value and place."""
    configured = settings(os.environ)
    for key, variable in VARIABLES.items():
        if given := os.environ.get(variable):
            yield key, given, f"{variable} in the environment"
        elif setting := configured.get(key):
            yield key, CHECKS.get(key, _value)(setting), setting.spot.shown()
        else:
            yield key, BUILT_IN[key], "default"


def _value(setting: Setting) -> object:
    return setting.value
