"""The verbs that take over what other systems have: import containerfiles, tcib, kolla-overrides."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.cli.options import RECIPES, examples, named_values, pipeline_of
from buildsys.cli.output import say
from buildsys.cli.overlay import write_new
from buildsys.diagnostics import counted
from buildsys.pipeline import Pipeline

if TYPE_CHECKING:
    from buildsys.diagnostics import Diagnostic


@click.group("import", epilog=examples("buildsys import containerfiles ~/images"))
def import_() -> None:
    """Take over what other systems have, and name each thing that cannot be."""


@import_.command(
    epilog=examples(
        "buildsys import containerfiles ~/images",
        "buildsys import containerfiles ~/images -o recipes/mine --arg VERSION=9",
    )
)
@click.argument("top", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "output", metavar="OUT", type=click.Path(path_type=Path),
    help="The set's folder, new or empty; else recipes/ and the name of DIR.",
)  # fmt: skip
@click.option(
    "--arg", "arguments", metavar="NAME=VALUE", multiple=True, callback=named_values,
    help="A value for what Containerfiles declare by ARG.",
)  # fmt: skip
@click.option(
    "--network", metavar="IMAGE", multiple=True,
    help="An image, or several by a glob, whose build needs a network.",
)  # fmt: skip
@click.option(
    "--context", "contexts", metavar="NAME=DIR|IMAGE", multiple=True, callback=named_values,
    help="Meaning of a name that is neither a stage nor an image.",
)  # fmt: skip
def containerfiles(
    top: Path,
    output: Path | None,
    arguments: dict[str, str],
    network: tuple[str, ...],
    contexts: dict[str, str],
) -> None:
    """Take a tree of Containerfiles over as an image set, a folder an image.

    An image is a folder with a Containerfile or a Dockerfile, and bears the folder's name; of several in a
    folder, Dockerfile.SUFFIX is the image FOLDER-SUFFIX. Folders are copied whole. FROM and COPY --from that
    name images of the tree become the order of building.
    """
    from buildsys.importers.containerfiles import Request, take_over

    output = output or RECIPES / Path(os.path.realpath(top)).name
    images, found = take_over(top, output, Request(arguments, network, contexts))
    _tell(found)
    say(f"{output}: {counted(len(images), 'image')}, {counted(len(found), 'warning')}")
    Pipeline(output).resolve()


@import_.command(epilog=examples("buildsys import tcib ~/tripleo-common/container-images/tcib"))
@click.argument("top", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "output", metavar="OUT", type=click.Path(path_type=Path),
    help="The set's folder, new or empty; else recipes/ and the name of DIR.",
)  # fmt: skip
@click.option(
    "--base", metavar="IMAGE", default="",
    help="What the first image begins with; else as tcib_from says, or CentOS Stream 9.",
)  # fmt: skip
@click.option(
    "--arg", "arguments", metavar="NAME=VALUE", multiple=True, callback=named_values,
    help="A value of a variable: tcib_distro, tcib_release, and others that files name.",
)  # fmt: skip
def tcib(top: Path, output: Path | None, base: str, arguments: dict[str, str]) -> None:
    """Take a tree of tcib, TripleO's YAML files of images, over as an image set.

    An image is a folder with YAML files, and begins with the image of the folder above. DIR is the tree, or a
    folder that holds it as tcib/ or container-images/tcib/.
    """
    from buildsys.importers.tcib import Request, take_over

    output = output or RECIPES / Path(os.path.realpath(top)).name
    images, found = take_over(top, output, Request(arguments, base))
    _tell(found)
    say(f"{output}: {counted(len(images), 'image')}, {counted(len(found), 'warning')}")
    Pipeline(output).resolve()


@import_.command(
    "kolla-overrides",
    epilog=examples("buildsys import kolla-overrides template-overrides.j2 kolla-build.conf -o acme.yaml"),
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "-o", "--output", "output", metavar="OVERLAY", type=click.Path(path_type=Path),
    help="Where to write it; else the first FILE's name with .yaml, here.",
)  # fmt: skip
@click.option("--set", "name", metavar="SET", help="The set it is for: its images, packages and accounts.")
def kolla_overrides(files: Sequence[str], output: Path | None, name: str | None) -> None:
    """Turn Kolla's template overrides (.j2) and kolla-build.conf into an overlay.

    Lists of packages and for pip, the headers and footers of images, and files next to FILE: these
    are copied into files/ next to the overlay. With --set names are checked, and what refers to the set can
    be turned: lists that are replaced, accounts, what every image does, downloads.
    """
    from buildsys.importers.kolla.overrides import turn
    from buildsys.importers.set_folder import check_files, write_files

    pipeline = pipeline_of(name) if name is not None else None
    library = pipeline.load() if pipeline else None
    image_set = pipeline.resolve(library) if pipeline else None
    overlay, found = turn(files, image_set, library.sites if library else ())
    output = output or Path(f"{Path(files[0]).stem}.yaml")
    word = re.sub(r"[^a-z0-9]+", "-", output.stem.lower()).strip("-") or "overlay"
    check_files(overlay.files, output.parent / "files")
    write_new(output, overlay.text(word, ", ".join(files)))
    write_files(overlay.files, output.parent / "files")
    _tell(found)
    changes = len(overlay.common) + sum(map(len, overlay.images.values()))
    changed = sum(1 for item in overlay.images.values() if len(item))
    say(f"{output}: {counted(changes, 'change')} of {counted(changed, 'image')}, {len(found)} not taken over")
    if pipeline:
        # Changes that are right one by one may contradict each other.
        Pipeline(pipeline.directory, overlays=(output,)).resolve()


def _tell(found: Sequence[Diagnostic]) -> None:
    for item in found:
        say(f"{item.text('warning')}\n")
