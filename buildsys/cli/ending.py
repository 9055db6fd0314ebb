"""How a run ends: exit statuses, and the sentence that goes with them."""

from __future__ import annotations

import click

from buildsys.logins import masked

FAILED, REFUSED, MISSING, CHANGED, BUG, INTERRUPTED = 1, 2, 3, 10, 70, 130


class Ended(Exception):  # noqa: N818 - reads as what happened
    """A run ends here with this status; the sentence says why, unless that has been said already."""

    def __init__(self, status: int, sentence: str = "") -> None:
        self.status = status
        self.sentence = sentence
        super().__init__(sentence)


def say(message: str) -> None:
    """A message for the person at the terminal."""
    click.echo(masked(message), err=True)
