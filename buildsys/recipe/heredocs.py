"""Here-documents of a Containerfile, and the same instructions without them, for older builders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

HOLDERS = frozenset({"RUN", "COPY", "ADD"})
"""Instructions that may have here-documents."""
FOLDER = "here/documents"
"""Name of the folder of their texts for the builder; the name of a stage cannot hold a slash."""
SHELL = ("/bin/sh", "-c")
"""The default SHELL of a RUN."""
_SCRIPT = "/run/here-document"
"""The file with the text of a RUN that names its own interpreter."""

_MARK = re.compile(
    r"\d*<<(?P<chomp>-?)(?:\"(?P<double>[\w.-]+)\"|'(?P<single>[\w.-]+)'|(?P<plain>[A-Za-z_][\w.-]*))"
)
_QUOTED = re.compile(r"\\.|\"(?:\\.|[^\"\\])*\"|'[^']*'", re.DOTALL)
_VARIABLE = re.compile(
    r"(?P<raw>\\.)|\$(?:(?P<name>\w+)|\{(?P<braced>\w+)(?:(?P<how>:?[-+])(?P<other>[^}]*))?\}|(?P<odd>\{|[@*#?!-]))",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Mark:
    """The announcement of a here-document in an instruction."""

    name: str
    """The word that ends it."""
    chomp: bool
    """Whether leading tabs of its lines are removed."""
    expands: bool
    """Whether its variables are filled in: its word is not quoted."""
    start: int
    end: int
    """In the instruction's value."""


@dataclass(frozen=True, slots=True)
class HereDocument:
    """A here-document: its text in the file, and its lines there, counted from 1."""

    mark: Mark
    raw: str
    first: int
    last: int
    """The line of the word that ends it."""

    @property
    def text(self) -> str:
        """Its text, without leading tabs where these are removed."""
        return re.sub(r"^\t+", "", self.raw, flags=re.MULTILINE) if self.mark.chomp else self.raw


class Unfilled(Exception):  # noqa: N818 - reads as what happened
    """A variable whose value only a builder knows; carries its name and the line of the text, from 0."""

    def __init__(self, name: str, line: int) -> None:
        self.name = name
        self.line = line
        super().__init__(name)


def marks(value: str) -> Iterator[Mark]:
    """The here-documents that the value of an instruction announces, in order."""
    if value.lstrip().startswith("["):
        return
    place = 0
    while place < len(value):
        if quoted := _QUOTED.match(value, place):
            place = quoted.end()
        elif (found := _MARK.match(value, place)) and (place == 0 or value[place - 1] in " \t;|&()"):
            name = found["double"] or found["single"] or found["plain"]
            yield Mark(name, bool(found["chomp"]), found["plain"] is not None, *found.span())
            place = found.end()
        else:
            place += 1


def filled(text: str, known: Mapping[str, str | None]) -> str:
    """A text of COPY with its variables filled in; `known`: None is a value that only a builder knows.

    As builders do it: quotes are signs like others, and a backslash stays, but keeps a `$` from being read.

    Raises:
        Unfilled: a variable that is not known.
    """

    def value(match: re.Match[str]) -> str:
        if match["raw"]:
            return match[0]
        name = match["name"] or match["braced"] or ""
        there = known.get(name)
        if match["odd"] or (name in known and there is None):
            raise Unfilled(name or match[0], text.count("\n", 0, match.start()))
        empty = there is None or (there == "" and (match["how"] or "").startswith(":"))
        if match["how"] and match["how"].endswith("-"):
            return (match["other"] or "") if empty else there or ""
        if match["how"]:
            return "" if empty else match["other"] or ""
        if there is None:
            raise Unfilled(name, text.count("\n", 0, match.start()))
        return there

    return _VARIABLE.sub(value, text)


def run_words(
    value: str, documents: Sequence[HereDocument], shell: Sequence[str], number: int
) -> tuple[list[str], str]:
    """The command of a RUN with here-documents, and the additional flags for it.

    `value` is without flags. A text alone is for the shell, or a program if it names its interpreter;
    otherwise the shell reads the command with the here-documents behind it.
    """
    (first, *others) = documents
    if not others and value.strip() == value[first.mark.start : first.mark.end]:
        if first.text.startswith("#!"):
            source = f"{number}/{first.mark.name}"
            return [_SCRIPT], f"--mount=type=bind,from={FOLDER},source={source},target={_SCRIPT} "
        return [*shell, first.text], ""
    behind = "".join(f"\n{item.raw}{item.mark.name}" for item in documents)
    return [*shell, f"{value}{behind}\n"], ""


def written_over(words: Sequence[str], lines: int, escape: str) -> list[str]:
    """Words as a JSON array over so many lines (at least 1), so that the numbers of others stay.

    No line begins with a sign that a builder takes for its own: a space, or the `#` of a comment.
    """
    *before, text = words
    head = "".join(f"{json.dumps(word, ensure_ascii=False)}, " for word in before)
    *most, last = map(_encoded, text.split("\n"))
    parts = [f'[{head}"', *(f"{part}\\n" for part in most), f'{last}"]']
    if len(parts) > lines or not most:
        parts[:2] = ["".join(parts[:2])]
    parts[lines - 1 :] = ["".join(parts[lines - 1 :])] if len(parts) >= lines else []
    return [*(f"{part}{escape}" for part in parts[:-1]), parts[-1], *(["#"] * (lines - len(parts)))]


def _encoded(line: str) -> str:
    text = json.dumps(line, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")
    return f"\\u{ord(text[0]):04x}{text[1:]}" if text[:1] in {" ", "#"} else text
