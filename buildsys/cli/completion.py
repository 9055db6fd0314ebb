"""The verb that prints the completion of a shell: completion; and what the words of a command line can be."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys import search_path
from buildsys.diagnostics import Refused

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_BUILDSYS_COMPLETE"
"""The environment variable by which a completion asks the command."""


@click.command(epilog="\b\nExamples:\n  buildsys completion bash\n  buildsys completion fish")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion of a shell: of verbs, options, sets, images and sites.

    Packages install it. Elsewhere the start-up file of the shell reads it:

    \b
      ~/.bashrc                   eval "$(buildsys completion bash)"
      ~/.zshrc, after compinit    eval "$(buildsys completion zsh)"
      ~/.config/fish/config.fish  buildsys completion fish | source
    """
    from buildsys.cli.output import put

    put(script(ctx.find_root().command, shell).rstrip("\n"))


def script(command: click.Command, shell: str) -> str:
    """The completion of one shell; it asks no shell for its version."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise ValueError(shell)
    made = kind(command, {}, "buildsys", VARIABLE)
    return str(made.source_template % made.source_vars()).strip() + "\n"


def set_names(
    ctx: click.Context,
    parameter: click.Parameter,  # noqa: ARG001 - click's signature
    begun: str,
) -> list[CompletionItem]:
    """Sets of the search path; folders, if the word has a slash."""
    from click.shell_completion import CompletionItem

    if "/" in begun or begun == ".":
        return [CompletionItem(begun, type="dir")]
    try:
        folders = search_path.search_path(ctx.params.get("recipes") or (), os.environ, _configured())
        names = dict.fromkeys(item.name for item in search_path.sets(folders))
    except (Refused, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(begun)]


def image_names(
    ctx: click.Context,
    parameter: click.Parameter,  # noqa: ARG001 - click's signature
    begun: str,
) -> list[CompletionItem]:
    """Images of the set of the command line, by the names of their recipes."""
    return _stems(ctx, "images", begun)


def site_names(
    ctx: click.Context,
    parameter: click.Parameter,  # noqa: ARG001 - click's signature
    begun: str,
) -> list[CompletionItem]:
    """Sites of the set of the command line, by the names of their files."""
    return _stems(ctx, "sites", begun)


def _stems(ctx: click.Context, folder: str, begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    # After an option without its value, words stay unparsed.
    words = (ctx.params.get("name_of_set"), *ctx.args)
    directory = _directory(next((str(word) for word in words if word), ""))
    found = sorted(path.stem for path in directory.glob(f"{folder}/**/*.yaml")) if directory else []
    return [CompletionItem(name) for name in found if name.startswith(begun)]


def _directory(name: str) -> Path | None:
    if "/" in name or name in {".", ".."}:
        return Path(name)
    try:
        return (
            search_path.find(name, search_path.search_path((), os.environ, _configured())) if name else None
        )
    except (Refused, OSError):
        return None


def _configured() -> Iterable[search_path.Folder]:
    from buildsys.settings import settings

    setting = settings(os.environ).get("recipes")
    return [search_path.Folder(Path(place), str(setting.spot)) for place in setting.value] if setting else []
