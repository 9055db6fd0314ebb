"""The verb that explains: help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import click

from buildsys.cli.options import examples
from buildsys.cli.output import put, put_table
from buildsys.codes import Code
from buildsys.diagnostics import closest

ERRORS = "errors"


@click.command("help", epilog=examples("buildsys help build", "buildsys help errors unknown-parent"))
@click.argument("topics", metavar="[VERB | errors [CODE]]...", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, topics: tuple[str, ...]) -> None:
    """Show the help of a verb, or the meaning of an error's code.

    `errors` alone lists all codes; CODE is the word in brackets behind a message.
    """
    if topics and topics[0] == ERRORS:
        _errors(ctx, topics[1:])
        return
    outer = ctx.find_root()
    command, name = outer.command, "buildsys"
    for word in topics:
        inner = command.get_command(outer, word) if isinstance(command, click.Group) else None
        if inner is None:
            known = (
                [*command.list_commands(outer), *_topics(outer)] if isinstance(command, click.Group) else []
            )
            _unknown(ctx, f"{name} has no verb '{word}'", word, known)
        outer = click.Context(inner, outer, word)
        command, name = inner, outer.command_path
    put(command.get_help(outer))


def _topics(outer: click.Context) -> list[str]:
    """Topics other than verbs, where they can stand."""
    return [ERRORS] if outer.parent is None else []


def _errors(ctx: click.Context, codes: Sequence[str]) -> None:
    if not codes:
        put_table(("CODE", "MEANING"), [(str(code), code.meaning) for code in Code])
        return
    known = {str(code): code for code in Code}
    for word in codes:
        code = known.get(word.strip("[]"))
        if code is None:
            _unknown(ctx, f"no error has the code '{word}'", word, known)
        put(f"{code}: {code.meaning}")


def _unknown(ctx: click.Context, message: str, word: str, known: Sequence[str] | dict[str, Code]) -> NoReturn:
    hint = closest(word, known)
    raise click.UsageError(f"{message}{f'; {hint}' if hint else ''}", ctx)
