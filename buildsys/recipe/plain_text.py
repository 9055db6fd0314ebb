"""A Containerfile as every builder understands it: no here-documents, fewer flags, the same lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from buildsys.diagnostics import Code, Spot
from buildsys.recipe import flags, heredocs
from buildsys.recipe.scan import Instruction, escape_sign
from buildsys.recipe.stage import Stage

SCRATCH = "scratch"
"""The image name of a stage that begins empty."""
OUTSIDE = "read/"
"""Prefix, for the builder, of all names from outside the file; names of stages cannot begin with it."""


@dataclass(frozen=True, slots=True)
class HereFile:
    """A here-document as a file, in a folder of its own: see `heredocs.FOLDER`."""

    path: str
    text: str
    executable: bool


class PlainText:
    """The text, collected instruction by instruction; mistakes go to `note`."""

    def __init__(self, file: str, lines: Sequence[str], note: Callable[[Spot, Code, str, str], None]) -> None:
        self._file = file
        self._lines = lines
        self._escape = escape_sign(lines)
        self._note = note
        self._edits: list[tuple[int, int, int, str]] = []
        self._numbered = 0
        self.documents: list[HereFile] = []

    def take_here(self, item: Instruction, stage: Stage) -> None:
        """Turn here-documents into files, and rewrite the instruction without them."""
        start = max((flag.end() for flag in flags.flags(item.command)), default=0)
        rest = item.command[start:]
        number, self._numbered = self._numbered, self._numbered + 1
        line, column = self._origin(item, start)
        room = item.documents[-1].last - line
        moved = [
            replace(one, mark=replace(one.mark, start=one.mark.start - start, end=one.mark.end - start))
            for one in item.documents
        ]
        if item.word == "RUN":
            words, more = heredocs.run_words(rest, moved, stage.shell, number)
            if more:
                self.documents.append(
                    HereFile(f"{number}/{moved[0].mark.name}", moved[0].text, executable=True)
                )
            lines = heredocs.written_over(words, room, self._escape)
            lines[0] = more + lines[0]
        else:
            lines = [self._copied(item, rest, moved, stage, number), *(["#"] * (room - 1))]
        for more_lines, content in enumerate(lines):
            begin = 0 if more_lines else column
            old = self._lines[line + more_lines][begin:].rstrip("\r\n")
            self.edit(Spot(self._file, line + more_lines + 1, begin + 1), old, content)
        if item.word == "ADD":
            self.edit(item.spot, item.word, "COPY")

    def _copied(
        self, item: Instruction, rest: str, documents: list[heredocs.HereDocument], stage: Stage, number: int
    ) -> str:
        """COPY and ADD, from the folder of their here-documents."""
        text = rest
        for one in reversed(documents):
            text = f"{text[: one.mark.start]}{number}/{one.mark.name}{text[one.mark.end :]}"
        others = [flag for flag in flags.flags(item.command) if flag["name"] == "from"]
        if others or len(text.split()) != len(documents) + 1:
            hint = "write an instruction for each"
            message = "here-documents and other files in one instruction are not understood"
            self._note(item.spot, Code.CONTAINERFILE_SYNTAX, message, hint)
        for one in documents:
            try:
                content = heredocs.filled(one.text, stage.variables) if one.mark.expands else one.text
            except heredocs.Unfilled as unknown:
                self._unfilled(one, unknown)
                continue
            self.documents.append(HereFile(f"{number}/{one.mark.name}", content, executable=False))
        return f"--from={heredocs.FOLDER} {text}"

    def _unfilled(self, document: heredocs.HereDocument, unknown: heredocs.Unfilled) -> None:
        number = document.first + unknown.line
        line = self._lines[number - 1]
        column = max(line.find("$" + unknown.name.strip("$")), line.find("${" + unknown.name), 0)
        message = f"the variable '{unknown.name}' has no value here"
        hint = f"ENV or ARG gives it one; <<'{document.mark.name}' leaves the text as it is"
        self._note(Spot(self._file, number, column + 1), Code.CONTAINERFILE_ARGUMENT, message, hint)

    def _origin(self, item: Instruction, offset: int) -> tuple[int, int]:
        """Line and column, from 0, of a part of an instruction's command."""
        places: list[tuple[int, int]] = []
        first, last = item.lines[0] - 1, item.lines[1]
        for number in range(first, last):
            line = self._lines[number]
            if number > first and (not line.strip() or line.lstrip().startswith("#")):
                continue
            start = item.spot.column - 1 + len(item.word) if number == first else 0
            end = len(line.rstrip().removesuffix(self._escape))
            if not places:
                start += len(line[start:end]) - len(line[start:end].lstrip())
            places += [(number, column) for column in range(start, end)]
        return places[offset]

    def edit(self, spot: Spot, old: str, new: str) -> None:
        """Replace a piece of a line for the builder."""
        self._edits.append((spot.line - 1, spot.column - 1, len(old), new))

    def text(self, places: Mapping[str, Iterable[tuple[int, int]]]) -> str:
        """The text for every builder.

        `places`: each line and column, counted from 1, that names what is read: it gets a name that
        no stage has.
        """
        lines = [*self._lines]
        names = [
            (line - 1, column - 1, len(name), f"{OUTSIDE}{name}")
            for name, where in places.items()
            for line, column in where
            if name != SCRATCH
        ]
        # From the end of each line: earlier columns stay the same.
        for number, column, length, new in sorted([*self._edits, *names], reverse=True):
            line = lines[number]
            lines[number] = f"{line[:column]}{new}{line[column + length :]}"
        return "".join(lines)
