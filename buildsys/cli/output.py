"""How data looks: aligned and in colour for a person at a terminal, plain for everything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import click

from buildsys.logins import masked

if TYPE_CHECKING:
    from rich.table import Table
    from rich.tree import Tree


def in_colour() -> bool:
    """Whether stdout takes colours: a terminal, and nobody said NO_COLOR (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def dim(text: str) -> str:
    """Text that stands back."""
    return click.style(text, dim=True) if in_colour() else text


def put(text: str) -> None:
    """One piece of data; no line is folded, whatever the terminal's width."""
    click.echo(masked(text), color=in_colour())


def put_row(cells: Sequence[str], *, widths: Sequence[int]) -> None:
    """One line of a table whose other lines are not known yet."""
    if sys.stdout.isatty():
        put(" ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())
    else:
        put("\t".join(cells))


def put_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table for a terminal; for anything else a line a row, its cells parted by tabs, and no heading."""
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
    """A tree, whole: its lines are as long as they need to be."""
    _rich(tree)


def _rich(thing: Table | Tree) -> None:
    from rich.console import Console

    width = None if sys.stdout.isatty() else 1000
    system: Literal["auto"] | None = "auto" if in_colour() else None
    Console(markup=False, highlight=False, width=width, color_system=system).print(thing, soft_wrap=False)
