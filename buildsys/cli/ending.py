"""How a run ends: exit statuses, and the sentence that goes with them."""

from __future__ import annotations

from collections.abc import Iterable

import click

from buildsys.diagnostics import Code
from buildsys.logins import masked

LACKING = frozenset({Code.MISSING_TOOL, Code.OLD_TOOL})
"""Codes of diagnostics that are about the host and no mistake of the person."""
OUTSIDE = frozenset(
    {Code.BASE_UNREACHABLE, Code.NOT_FETCHED, Code.PACKAGE_TRUNCATED, Code.REPOSITORY_UNREACHABLE}
)
"""Codes of what is no mistake of a recipe or of what was asked for: a server did not give what it should."""
FAILED, REFUSED, MISSING, CHANGED, BUG, INTERRUPTED = 1, 2, 3, 10, 70, 130


def status_of(codes: Iterable[str]) -> int:
    """The exit status of a run that was refused for these reasons."""
    found = set(codes)
    if found & LACKING:
        return MISSING
    return FAILED if found and found <= OUTSIDE else REFUSED


class Ended(Exception):  # noqa: N818 - reads as what happened
    """A run ends here with this status; the sentence says why, unless that has been said already."""

    def __init__(self, status: int, sentence: str = "") -> None:
        self.status = status
        self.sentence = sentence
        super().__init__(sentence)


def say(message: str) -> None:
    """A message for the person at the terminal."""
    click.echo(masked(message), err=True)
