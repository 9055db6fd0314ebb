"""Which container store a verb works on: `--store`, or BS_STORE; refused when its words cannot be used."""

from __future__ import annotations

import os
import shlex

import click

from buildsys.cli.defaults import Configured
from buildsys.diagnostics import Code, Diagnostic, Refused
from buildsys.settings import Setting, settings

NOT_IN_PLACES = "]:,+\\\n"
"""Letters that no store's directory holds: tools read them as parts of its name, or of a mount's options."""


def checked(options: str) -> str:
    """Options of buildah, as they are.

    Raises:
        click.BadParameter: they cannot be parted into words, or name a directory that can hold no store.
    """
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise click.BadParameter(f"a quote or a backslash in it has no end: {options}") from error
    for before, word in zip(["", *words], [*words, ""], strict=True):
        option, equals, place = word.partition("=")
        if before not in {"--root", "--runroot"}:
            place = place if equals and option in {"--root", "--runroot"} else ""
        else:
            place = word
        if wrong := unusable(place):
            raise click.BadParameter(wrong)
    return options


def unusable(place: str) -> str:
    """Why a store cannot lie in a directory; empty when it can."""
    if not any(letter in place for letter in NOT_IN_PLACES):
        return ""
    return f"a container store cannot lie in {place}: its path must hold no : , + ] \\ or newline"


def chosen_store() -> str:
    """Options of buildah that choose the user's container store: BS_STORE, or of a configuration file."""
    if given := os.environ.get("BS_STORE", ""):
        return checked(given)
    setting = settings(os.environ).get("store")
    return store_of(setting) if setting else ""


def store_of(setting: Setting) -> str:
    """The value of `store` in a configuration file.

    Raises:
        Refused: it cannot be used.
    """
    try:
        return checked(setting.value)
    except click.BadParameter as wrong:
        raise Refused([Diagnostic(setting.spot, Code.BAD_STORE, wrong.message)]) from None


class StoreOption(Configured):
    """The option that chooses a container store."""

    def value_of(self, setting: Setting) -> str:
        """Options of buildah."""
        return store_of(setting)


takes_store = click.option(
    "--store",
    cls=StoreOption,
    envvar="BS_STORE",
    show_envvar=True,
    default="",
    metavar="OPTIONS",
    callback=lambda _context, _parameter, value: checked(value),
    help="Options of buildah that choose the container store: '--root DIR --runroot DIR'.",
)
