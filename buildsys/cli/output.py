"""Data on stdout, messages on stderr, and exit statuses.

Data is aligned and coloured at a terminal, and plain text with tabs everywhere else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import click

from buildsys.diagnostics import Code
from buildsys.logins import masked

if TYPE_CHECKING:
    from rich.table import Table
    from rich.tree import Tree

    from buildsys.image import ImageSet
    from buildsys.selection import Selection


LACKING = frozenset({Code.ENGINE_NOT_INSTALLED, Code.MISSING_TOOL, Code.OLD_TOOL})
"""Codes of programs that this host lacks."""
OUTSIDE = frozenset(
    {
        Code.BASE_UNREACHABLE,
        Code.NO_SCHEDULER,
        Code.NO_WORKER,
        Code.NOT_FETCHED,
        Code.PACKAGE_TRUNCATED,
        Code.REPOSITORY_UNREACHABLE,
        Code.STAND_INS_FAILED,
        Code.WORKER_DRIVER,
        Code.WORKER_VERSION,
        Code.WORKER_WITHOUT_TOOL,
    }
)
"""Codes of failures outside recipes and requests: a server or a tool did not do its work."""
FAILED, REFUSED, MISSING, CHANGED, BUG, INTERRUPTED = 1, 2, 3, 10, 70, 130


def status_of(codes: Iterable[Code]) -> int:
    """The exit status of a run that was refused with these codes."""
    found = set(codes)
    if found & LACKING:
        return MISSING
    return FAILED if found and found <= OUTSIDE else REFUSED


class Ended(Exception):  # noqa: N818 - reads as what happened
    """A run ends with this exit status; `sentence` says why, empty if the reason is printed already."""

    def __init__(self, status: int, sentence: str = "") -> None:
        self.status = status
        self.sentence = sentence
        super().__init__(sentence)


def say(message: str) -> None:
    """Print a message to stderr."""
    click.echo(masked(message), err=True)


def in_colour() -> bool:
    """Whether stdout takes colours: a terminal, and NO_COLOR (https://no-color.org) is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def dim(text: str) -> str:
    """Text in a fainter colour."""
    return click.style(text, dim=True) if in_colour() else text


def warn_of_absent(selection: Selection, image_set: ImageSet) -> None:
    """Name the selected images that the site cannot build, before anything is built."""
    absent = selection.absent(image_set)
    for why in absent:
        say(f"{why.text('warning')}\n")
    if absent:
        every = {*image_set.images, *image_set.absent}
        can = len(every) - len(image_set.absent)
        say(f"{image_set.name}: the site {image_set.site.name} can build {can} of {len(every)} images")


def put(text: str) -> None:
    """Print data; no line is folded, whatever the terminal's width."""
    click.echo(masked(text), color=in_colour())


def put_row(cells: Sequence[str], *, widths: Sequence[int]) -> None:
    """Print one row of a table whose other rows are not known yet."""
    if sys.stdout.isatty():
        put(" ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())
    else:
        put("\t".join(cells))


def put_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on a terminal; elsewhere a line for each row, with tabs between cells and no heading."""
    if not sys.stdout.isatty():
        for row in rows:
            put("\t".join(row))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(masked, row))
    _rich(table)


def put_tree(tree: Tree) -> None:
    """Print a tree without folding its lines."""
    _rich(tree)


def _rich(thing: Table | Tree) -> None:
    from rich.console import Console

    width = None if sys.stdout.isatty() else 1000
    system: Literal["auto"] | None = "auto" if in_colour() else None
    Console(markup=False, highlight=False, width=width, color_system=system).print(thing, soft_wrap=False)
