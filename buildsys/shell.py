"""`Command`: an argv that knows where it came from. The only module that quotes for a plan's shell.

Everything a plan runs is made here from lists of words; no other room joins words into shell text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from buildsys.diagnostics import NOWHERE, Spot

_GLOB = re.compile(r"([*?]|\[[A-Za-z0-9_.!^-]+\])")
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a step: its words, and the Spot of the instruction it was made from."""

    argv: tuple[str, ...]
    spot: Spot = field(default=NOWHERE, compare=False)

    def text(self) -> str:
        """The command as one line of POSIX shell."""
        return words(self.argv)


@cache
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


class Glob(str):
    """A word in which `*`, `?` and `[…]` mean to a shell what they mean in a recipe's path."""

    __slots__ = ()

    def text(self) -> str:
        """The word with everything else quoted."""
        parts = _GLOB.split(self)
        return "".join(part if number % 2 else part and word(part) for number, part in enumerate(parts))


def line(values: Iterable[str]) -> str:
    """One line of shell; a word that is a `Glob` stays unquoted."""
    return " ".join(value.text() if isinstance(value, Glob) else word(value) for value in values)


def chain(commands: Iterable[tuple[str, str]], previous: str = "") -> list[str]:
    """Lines of shell: each command runs if the one before it succeeds; its remark is the comment above it.

    A remark is not repeated for the next command, nor where it is `previous`, the last one of the caller.
    A Containerfile's builder removes comments before it joins lines, and gets one line of shell.
    """
    rows = list(commands)
    lines: list[str] = []
    for number, (remark, text) in enumerate(rows):
        lines += [comment(remark)] if remark not in {"", previous} else []
        previous = remark
        lines.append(text + (" && \\" if number < len(rows) - 1 else ""))
    return lines


def assignment(name: str, value: str) -> str:
    """A shell assignment `name=value` with the value quoted."""
    return f"{name}={word(value)}"


def comment(text: str) -> str:
    """A comment of one line, whatever the text holds: the name of a file may hold a newline."""
    return f"# {' '.join(text.splitlines())}"


def call(verb: str, items: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of bash that call `verb` with many words, each on a line of its own with a remark behind it."""
    rows = [(word(item), comment(remark)) for item, remark in items]
    width = max((len(text) for text, _ in rows), default=0)
    return [
        "words=(",
        *(f"    {text:<{width}} {remark}" for text, remark in rows),
        ")",
        f'{verb} "${{words[@]}}"',
    ]


def heredoc(verb: str, lines: Iterable[str]) -> list[str]:
    """Lines of shell that feed `lines`, as they are, to `verb`; the end mark is one no line holds."""
    body = list(lines)
    taken = {part for line in body for part in line.splitlines()}
    mark = "END"
    while mark in taken:
        mark += "_"
    return [f"{verb} <<'{mark}'", *body, mark]


def fragment(name: str, lines: Iterable[str], indent: str = "    ") -> list[str]:
    """A shell function of these lines. Nothing inside a here-document is indented: it is data."""
    text: list[str] = [f"{name}() {{"]
    end = ""
    for line in lines:
        text.append(line if end or not line else indent + line)
        if end:
            end = "" if line == end else end
        elif (opened := _HEREDOC.search(line)) is not None:
            end = opened[1]
    # The shell does not accept a function without a command.
    return [*text, *([f"{indent}:"] if len(text) == 1 else []), "}"]


_HEREDOC = re.compile(r"<<'(END_*)'$")
