"""The verb that writes what images are made of: sbom."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys import disk
from buildsys.cli.completion import image_names, set_names
from buildsys.cli.options import examples, takes_build_directory
from buildsys.cli.output import say
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest, counted

if TYPE_CHECKING:
    from buildsys.sbom.bill_of_materials import Form


@click.command(
    epilog=examples(
        "buildsys sbom stable-pike",
        "buildsys sbom stable-pike nova-api",
        "buildsys sbom stable-zed --format cyclonedx -o /srv/www/sbom",
    )
)
@click.argument("name_of_set", metavar="SET", shell_complete=set_names)
@click.argument("images", metavar="[IMAGE]...", nargs=-1, shell_complete=image_names)
@click.option(
    "--format", "form", type=click.Choice(["spdx", "cyclonedx"]), default="spdx", show_default=True,
    help="SPDX 2.3 or CycloneDX 1.6, both as JSON.",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the SBOMs; else SET-sbom below the build directory.",
)  # fmt: skip
@click.option(
    "--plan", "directory", metavar="DIR", type=click.Path(path_type=Path),
    help="The plan's directory; else SET below the build directory.",
)  # fmt: skip
@takes_build_directory
def sbom(
    name_of_set: str,
    images: tuple[str, ...],
    *,
    form: Form,
    output: Path | None,
    directory: Path | None,
    build_directory: Path,
) -> None:
    """Write an SBOM of each image of a plan.

    Packages, copied files, gems and the base image, each with the line of the recipe that brought it. With
    one IMAGE and without -o, its SBOM is printed. Nothing is built, and no container store is read: the plan
    and its lock name everything. What they cannot name, such as the packages of a base image, is listed as
    incomplete.
    """
    from buildsys.files import write
    from buildsys.plan import read
    from buildsys.sbom.bill_of_materials import SUFFIXES, documents

    name = name_of_set.rstrip("/").rpartition("/")[2]
    directory = directory or build_directory / name
    names = planned_images(directory, name_of_set, images)
    current = read.current(directory)
    try:
        written = documents(directory, names, form, current)
        if len(images) == 1 and output is None:
            for _, content in written:
                sys.stdout.write(content.decode())
        else:
            output = output or build_directory / f"{name}-sbom"
            disk.writes(output)
            output.mkdir(parents=True, exist_ok=True)
            for image, content in written:
                write(output / f"{image}{SUFFIXES[form]}", content)
            say(f"{output}: {counted(len(names), 'SBOM')}")
    except ValueError as error:
        raise damaged(directory, name_of_set, error) from error
    _warn(current, names)


def _warn(current: Mapping[str, str], names: list[str]) -> None:
    stale = [name for name in names if name not in current]
    if stale:
        shown = ", ".join(stale[:5]) + (", …" if len(stale) > 5 else "")
        say(
            f"note: {counted(len(stale), 'SBOM')} without an image id, because the plan is not built: {shown}"
        )


def planned_images(directory: Path, name_of_set: str, images: tuple[str, ...]) -> list[str]:
    """The names of the chosen images, all if none is chosen; in the order of the plan.

    Raises:
        Refused: there is no plan (`no-plan`), or it has no such image (`unknown-image`).
    """
    from buildsys.plan import read

    try:
        known = list(read.planned(directory).images)
    except FileNotFoundError as error:
        hint = f"`buildsys plan {name_of_set}` writes it; --plan names another directory"
        raise Refused([Diagnostic(NOWHERE, Code.NO_PLAN, f"{directory} holds no plan", hint)]) from error
    except ValueError as error:
        raise damaged(directory, name_of_set, error) from error
    wrong = [
        Diagnostic(NOWHERE, Code.UNKNOWN_IMAGE, f"the plan has no image '{image}'", closest(image, known))
        for image in images
        if image not in known
    ]
    if wrong:
        raise Refused(wrong)
    return [name for name in known if not images or name in images]


def damaged(directory: Path, name_of_set: str, error: ValueError) -> Refused:
    """The error for a plan that cannot be read."""
    hint = f"`buildsys plan {name_of_set}` writes it again"
    message = re.sub(r"\s+", " ", f"the plan in {directory} is damaged: {error}")
    return Refused([Diagnostic(NOWHERE, Code.NO_PLAN, message, hint)])
