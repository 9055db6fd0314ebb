"""The verb that removes what earlier builds left: prune."""

from __future__ import annotations

from pathlib import Path

import click

from buildsys.cli.completion import set_names
from buildsys.cli.options import examples, takes_build_directory, takes_plan_directory
from buildsys.cli.stores import takes_store
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused


@click.command(epilog=examples("buildsys prune stable-pike", "buildsys prune stable-pike --keep 1 --yes"))
@click.argument("name", metavar="SET", shell_complete=set_names)
@takes_plan_directory
@takes_build_directory
@takes_store
@click.option(
    "--keep", metavar="N", type=click.IntRange(min=0), default=0, show_default=True,
    help="Leave each image its N newest older keys.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Remove it; without this it is only listed.")
def prune(
    name: str, directory: Path | None, build_directory: Path, *, store: str, keep: int, yes: bool
) -> None:
    """Remove what earlier builds of an image set left in the store.

    Images under keys that are no longer current, and working containers of builds that were killed; of this
    set and plan only, never while a build uses the store. What has another name loses only its key. Without
    --yes nothing is removed: a line a thing says what would go, and how much that frees.
    """
    from buildsys.run import make

    directory = directory or build_directory / Path(name).absolute().name
    if not (directory / "lib" / "prune.sh").is_file():
        hint = f"`buildsys plan {name}` writes one; what was built stays"
        message = f"{directory} holds no plan, or one of an older buildsys"
        raise Refused([Diagnostic(NOWHERE, Code.NO_PLAN, message, hint)])
    make.prune(directory, make.RunOptions(store), keep=keep, remove=yes)
