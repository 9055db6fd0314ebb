"""The verb for overlays, a user's changes to a set: overlay new, overlay show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildsys.cli.options import as_json, examples, takes_set
from buildsys.cli.output import REFUSED, Ended, put, put_table, say
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, counted

if TYPE_CHECKING:
    from buildsys.cli.overlay_changes import Change
    from buildsys.pipeline import Pipeline
    from buildsys.recipe.library import Library

BEGINNING = """\
# {plain}: changes merged over the recipes of an image set. The set itself stays as it is.
# Its mistakes:  buildsys check SET --overlay {file}
# What it does:  buildsys overlay show SET --overlay {file}
# Build with it: buildsys build SET --overlay {file}
# What follows are examples: take away the `#` before a line, and put in your own names.
overlay: {name}

# Another value for a variable of the set.
#variables:
#  colour: blue

# Changes of every image, the base too: all of them are rebuilt.
#common:
#  labels: {{vendor: {name}}}

# What a site gets besides: a repository with packages of yours.
#sites:
#  here:
#    repositories:
#      {name}: {{url: "http://packages.example.org/{plain}", gpgcheck: false}}   # or key:, when it is signed

# Changes to images. What an image's parent added is changed in the parent.
#images:
#  app:
#    packages: {{append: [{plain}-driver], remove: [httpd]}}
#    steps:
#      append:
#        - {{copy: app.conf, to: /etc/app.conf}}            # from files/ next to this file
#        - {{append: "colour = blue", in: /etc/app.conf}}
#      remove:
#        - {{touch: /etc/app.conf}}                         # a step that says just this
#    labels: {{vendor: {name}, version: ~}}                 # ~ takes a value away
#    user: root

# Images that the set does not have, made from one that it has or from one that was published.
#recipes:
#  - image: {plain}-tools
#    from: app
#    packages: [socat]
#  - image: {plain}-agent
#    from: {{image: "registry.example.org/{plain}/agent:1"}}
#    env: {{COLOUR: blue}}
"""
"""A new overlay: it changes nothing, and shows what one may say."""


@click.group(epilog=examples("buildsys overlay new acme"))
def overlay() -> None:
    """Begin an overlay, or show what overlays change: a set made yours without a fork."""


@overlay.command(epilog=examples("buildsys overlay new acme"))
@click.argument("name", metavar="NAME")
@click.option(
    "-o", "--output", "file", metavar="FILE", type=click.Path(path_type=Path),
    help="Where to write it; else NAME.yaml here.",
)  # fmt: skip
def new(name: str, file: Path | None) -> None:
    """Write an overlay to begin with: it changes nothing yet, and shows what it may say.

    A file that is there already stays as it is.
    """
    from buildsys.image import NAME
    from buildsys.recipe.yaml_text import flow
    from buildsys.shell import word

    if not NAME.fullmatch(name):
        hint = "use a-z and 0-9, joined by single '-', '_' or '.'"
        raise Refused([Diagnostic(NOWHERE, Code.BAD_NAME, f"'{name}' cannot name an overlay", hint)])
    file = file or Path(f"{name}.yaml")
    # A comment is one line, whatever a file is called.
    there = " ".join(word(str(file)).splitlines())
    write_new(file, BEGINNING.format(plain=name, name=flow(name), file=there))
    say(f"{file}: an overlay that changes nothing yet; edit it, then: buildsys check SET --overlay {there}")


def write_new(file: Path, text: str) -> None:
    """Write a file that must not be there yet; whole, or not at all.

    Raises:
        Refused: it is there already (`file-exists`).
    """
    try:
        new_file = file.open("x", encoding="utf-8", errors="replace")
    except FileExistsError as error:
        hint = "choose another name with -o, or remove it"
        raise Refused([Diagnostic(NOWHERE, Code.FILE_EXISTS, f"{file} is there already", hint)]) from error
    try:
        with new_file:
            new_file.write(text)
    except BaseException as error:
        file.unlink()
        if isinstance(error, OSError):
            error.filename = str(file)  # a full disk does not say where
        raise


@overlay.command(epilog=examples("buildsys overlay show stable-pike --overlay acme.yaml"))
@takes_set
@as_json
def show(pipeline: Pipeline, *, as_json: bool) -> None:
    """Show the changes of overlays: a line for each, with its place.

    `(set)` stands for variables, `(site NAME)` for changes of a site. A new image is one line with its
    parent: `buildsys show` has the rest. Nothing is built.
    """
    if not pipeline.overlays:
        raise Ended(REFUSED, "no overlay is named: --overlay FILE")
    found = list(_changes(pipeline))
    if as_json:
        put(json.dumps([_data(item) for item in found], indent=1, ensure_ascii=False))
        return
    rows = ((item.kind, item.image, item.what, item.before, item.after, item.at) for item in found)
    put_table(("", "IMAGE", "WHAT", "BEFORE", "AFTER", "AT"), rows)
    images = {item.image for item in found if not item.image.startswith("(")}
    changed = counted(len(images), "image") + (" is" if len(images) == 1 else " are")
    say(f"{pipeline.name}: {changed} other than without {' '.join(map(str, pipeline.overlays))}")


def _data(item: Change) -> dict[str, str]:
    return {
        "change": item.kind, "image": item.image, "what": item.what, "before": item.before,
        "after": item.after, "at": item.at,
    }  # fmt: skip


def _changes(pipeline: Pipeline) -> Iterator[Change]:
    from buildsys.cli.overlay_changes import changes

    plain = replace(pipeline, overlays=())
    without, library = plain.load(), pipeline.load()
    yield from _variables(pipeline, without, library)
    yield from _sites(library)
    yield from changes(plain.resolve(without).images, pipeline.resolve(library).images, library.overlays)


def _variables(pipeline: Pipeline, without: Library, library: Library) -> Iterator[Change]:
    from buildsys.cli.overlay_changes import Change
    from buildsys.recipe.yaml_text import flow
    from buildsys.resolve.site_sources import choose
    from buildsys.resolve.variables import settings

    found: list[Diagnostic] = []
    before = settings(without, choose(without, pipeline.site), pipeline.variables, found)[0]
    after = settings(library, choose(library, pipeline.site), pipeline.variables, found)[0]
    if found:
        raise Refused(found)
    for name, value in sorted(after.items()):
        if before.get(name) != value:
            setting = [item.written for item in library.overlays if name in item.variables][-1]
            at = setting.spot("variables", name).shown()
            yield Change("(set)", f"variables {name}", flow(before[name]), flow(value), at)


def _sites(library: Library) -> Iterator[Change]:
    from buildsys.cli.overlay_changes import Change
    from buildsys.recipe.yaml_text import flow

    found: dict[tuple[str, str, str], Change] = {}
    for item in library.overlays:
        for name, patch in item.sites.items():
            site = library.sites.get(name)
            own = site.written.data if site is not None else {}
            for key, value in patch.written.data.items():
                there: Any = own.get(key)
                for thing, now in value.items() if isinstance(value, dict) else [("", value)]:
                    had = there.get(thing) if isinstance(there, dict) else there
                    before = "" if had is None else flow(had)
                    at = (patch.written.key_spot(key, thing) if thing else patch.written.spot(key)).shown()
                    what = f"{key} {thing}".strip()
                    # What several overlays give, the last one gives.
                    found[name, key, thing] = Change(f"(site {name})", what, before, flow(now), at)
    yield from (item for item in found.values() if item.before != item.after)
