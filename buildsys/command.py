"""`Command`: an argv that knows where it came from. The only module that quotes for the shell.

Everything a plan runs is made here from lists of words; no other room joins words into shell text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from buildsys.diagnostics import NOWHERE, Spot

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a step: its words, and the Spot of the instruction it was made from."""

    argv: tuple[str, ...]
    spot: Spot = field(default=NOWHERE, compare=False)

    def text(self) -> str:
        """The command as one line of POSIX shell."""
        return words(self.argv)


def word(value: str) -> str:
    """Quote one word for a POSIX shell; plain words stay as they are.

    A newline stays inside the quotes and is legal shell; a NUL cannot be in any argv and is refused.

    Raises:
        ValueError: the value holds a NUL character.
    """
    if "\0" in value:
        raise ValueError("a shell word cannot hold a NUL character")
    if _PLAIN.fullmatch(value) and not value.startswith(("=", "%")):
        return value
    return "'" + value.replace("'", "'\\''") + "'"


def words(values: Iterable[str]) -> str:
    """Quote several words and join them with spaces."""
    return " ".join(map(word, values))


def assignment(name: str, value: str) -> str:
    """A shell assignment `name=value` with the value quoted."""
    return f"{name}={word(value)}"
