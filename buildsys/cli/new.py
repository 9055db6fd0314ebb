"""The verb that begins a set: new."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.cli.options import RECIPES, examples, searched
from buildsys.cli.output import say
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, counted

if TYPE_CHECKING:
    from buildsys.importers.new_set import Beginning

STAND_INS = Path("standins/packages.yaml")
"""The description of stand-in packages, below the folder of a set."""


ORIGINS = ("debian", "rpm")
"""Words of --from, in the order in which they are tried; the last one needs no repositories."""


@click.command(
    epilog=examples(
        "buildsys new mine",
        "buildsys new mine --from docker.io/library/debian:12",
        "buildsys new mine --from containerfiles ~/images",
    )
)
@click.argument("name", metavar="SET")
@click.argument("tree", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--from", "origin", metavar="debian|rpm|IMAGE|containerfiles", default="",
    help="What it begins with: packages of Debian, RPM packages, an image built elsewhere, or the tree of "
    "Containerfiles in DIR. Else what this host has.",
)  # fmt: skip
def new(name: str, tree: Path | None, origin: str) -> None:
    """Begin an image set of your own: it builds as it is here, and has a test.

    SET is a name, for a folder below ./recipes, or the path of a folder. A folder with files in it stays as
    it is. `debian` takes the apt sources of this host. `rpm` takes the repositories that dnf has here; where
    there are none, stand-ins are made, which need no network.
    """
    output = Path(name) if "/" in name else RECIPES / name
    if (origin == "containerfiles") != (tree is not None):
        raise click.UsageError("DIR is the tree of --from containerfiles, and of nothing else")
    if tree is not None:
        from buildsys.importers.containerfiles import Request, take_over

        images, found = take_over(tree, output, Request({}, (), {}))
        for item in found:
            say(item.text("warning"))
        about = f"{counted(len(images), 'image')} of {tree}"
    else:
        _check_name(output)
        beginning = _beginning(origin, output)
        _write(output, beginning)
        about = f"2 images. {beginning.text.partition('about: ')[2].splitlines()[0]}"
    say(f"{output}: {about}")
    _tell_next(name)


def _check_name(output: Path) -> None:
    from buildsys.recipe.schema.types import SET_NAME

    if output.is_symlink() or (output.exists() and (not output.is_dir() or any(output.iterdir()))):
        hint = "choose another name, or remove it"
        raise Refused([Diagnostic(NOWHERE, Code.FILE_EXISTS, f"{output} is there already", hint)])
    if problem := SET_NAME.problem(Path(os.path.realpath(output)).name):
        raise Refused([Diagnostic(NOWHERE, *problem)])


def _beginning(origin: str, output: Path) -> Beginning:
    """What the set begins with.

    Raises:
        Refused: `origin` is neither a word of ours nor a reference (`bad-reference`).
    """
    from buildsys.image.names import qualified
    from buildsys.importers import new_set
    from buildsys.lock.host_repositories import host_repositories
    from buildsys.packages import MANAGERS
    from buildsys.recipe.schema.types import REFERENCE

    managers = {manager.begins: manager for manager in MANAGERS.values() if manager.begins}
    if not origin:
        origin = next((word for word in ORIGINS if host_repositories(managers[word])), ORIGINS[-1])
    if manager := managers.get(origin):
        if manager.format.stand_ins and not host_repositories(manager):
            return new_set.stand_ins(_stand_ins(output))
        return new_set.host(manager)
    if problem := REFERENCE.problem(origin):
        code, message, _ = problem
        hint = "write debian, rpm, containerfiles, or an image like docker.io/library/debian:12"
        raise Refused([Diagnostic(NOWHERE, code, message, hint)])
    return new_set.base_image(qualified(origin))


def _stand_ins(output: Path) -> str:
    """The path of the description of stand-in packages, as a site of the new set writes it.

    Raises:
        Refused: no set on the search path has one (`no-set`).
    """
    from buildsys import search_path

    for item in search_path.sets(searched()):
        file = item.directory / STAND_INS
        if file.is_file():
            near = file.absolute().is_relative_to(output.parent.absolute())
            return os.path.relpath(file, output) if near else str(file.absolute())
    message = "this host has no repositories of rpm packages, and no set with stand-ins is installed"
    hint = "enable repositories, or begin with an image: --from docker.io/library/centos:7"
    raise Refused([Diagnostic(NOWHERE, Code.NO_SET, message, hint)])


def _write(output: Path, beginning: Beginning) -> None:
    from buildsys.importers.new_set import files
    from buildsys.importers.set_folder import set_name, write_files, written_whole

    # Files of this year: a later build with packages of today finds no file newer than its clock.
    day = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)
    texts = files(set_name(output), beginning, int(day.timestamp()), f"{day:%Y-%m-%d}")
    with written_whole(output) as folder:
        write_files(texts, folder)


def _tell_next(name: str) -> None:
    """The three commands that come next."""
    from buildsys.shell import word

    say("next:")
    for verb in ("check", "build", "test"):
        say(f"  buildsys {verb} {word(name)}")
