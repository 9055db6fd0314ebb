"""Find the instructions in the text of a Containerfile, with their lines and their here-documents.

The only door to dockerfile_parse, which knows no here-documents: to it their lines are comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO

from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

from buildsys.diagnostics import Code, Diagnostic, Spot, closest
from buildsys.recipe.heredocs import HOLDERS, HereDocument, Mark, marks

WORDS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip
"""All instructions there are."""
_DIRECTIVE = re.compile(r"\s*#\s*(?P<name>\w+)\s*=\s*(?P<value>\S+)\s*", re.IGNORECASE)
_LONGEST_NAME = 255
"""Bytes of the name of a file, as a file system takes it."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction: its word in capitals, and its value, with its lines joined."""

    word: str
    value: str
    """Followed by its here-documents, as they are written."""
    spot: Spot = field(compare=False)
    lines: tuple[int, int] = field(compare=False)
    """The first and the last, counted from 1; here-documents come after it."""
    documents: tuple[HereDocument, ...] = ()

    @property
    def command(self) -> str:
        """The value without here-documents."""
        return self.value.split("\n", 1)[0] if self.documents else self.value


def escape_sign(lines: Sequence[str]) -> str:
    """The character that continues a line: a backslash, or that of the directive `# escape=`."""
    for line in lines:
        match = _DIRECTIVE.fullmatch(line)
        if match is None:
            break
        if match["name"].lower() == "escape":
            return match["value"]
    return "\\"


def scan(file: str, lines: Sequence[str], found: list[Diagnostic]) -> Iterator[Instruction]:
    """The instructions of these lines, which end in their line breaks; mistakes go to `found` and end it."""
    documents: dict[int, list[HereDocument]] = {}
    plain = list(_without_documents(lines, escape_sign(lines), documents))
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            spot = Spot(file, number, line.index("\0") + 1)
            found.append(
                Diagnostic(spot, Code.NUL_CHARACTER, "a NUL character is part of no text", "take it out")
            )
            return
    for first, marked in documents.items():
        for item in marked:
            if not item.last:
                line = lines[first]
                spot = Spot(file, first + 1, max(line.find("<<"), 0) + 1)
                message = f"this here-document has no end: no line is '{item.mark.name}'"
                found.append(Diagnostic(spot, Code.CONTAINERFILE_SYNTAX, message))
                return
    parsed = DockerfileParser(fileobj=BytesIO("".join(plain).encode()), env_replace=False).structure
    covered: set[int] = set()
    for item in parsed:
        first, last = item["startline"], item["endline"]
        covered.update(range(first, last + 1))
        word = item["instruction"]
        if word == "COMMENT":
            continue
        line = lines[first]
        spot = Spot(file, first + 1, len(line) - len(line.lstrip()) + 1)
        value = item["value"].strip()
        here = tuple(
            replace(item, mark=mark)
            for item, mark in zip(documents.get(last, ()), marks(value), strict=False)
        )
        message, hint = "", ""
        if word not in WORDS:
            message, hint = (
                f"'{word}' is not an instruction",
                closest(word, WORDS) or f"instructions are {', '.join(WORDS)}",
            )
        elif not value:
            message = f"'{word}' has nothing behind it"
        elif word == "ONBUILD" and any(marks(value)) and value.split()[0].upper() in HOLDERS:
            message, hint = (
                "ONBUILD with a here-document is not understood",
                "put the text into a file, and COPY it",
            )
        elif any(len(item.mark.name.encode()) > _LONGEST_NAME for item in here):
            message = "the name of this here-document is too long"
        elif any(item.mark.name in {".", ".."} for item in here):
            message = "a here-document becomes a file, which '.' and '..' cannot name"
        if message:
            found.append(Diagnostic(spot, Code.CONTAINERFILE_SYNTAX, message, hint))
            return
        behind = "".join(f"\n{item.raw}{item.mark.name}" for item in here)
        yield Instruction(word, value + behind, spot, (first + 1, last + 1), here)
    for number, line in enumerate(lines):
        # The parser ignores these lines.
        if number not in covered and line.strip():
            spot = Spot(file, number + 1, len(line) - len(line.lstrip()) + 1)
            message = f"the file ends in the middle of '{line.split()[0]}'"
            found.append(Diagnostic(spot, Code.CONTAINERFILE_SYNTAX, message))
            return


def _without_documents(
    lines: Sequence[str], escape: str, documents: dict[int, list[HereDocument]]
) -> Iterator[str]:
    """The lines, with comments in place of here-documents and of empty lines within an instruction.

    `documents`: the here-documents by the last line, from 0, of the instruction that announces them; of one
    without an end, `last` is 0.
    """
    waiting: list[Mark] = []
    first, raw, begun = 0, "", -1
    within, joined = False, ""
    for number, line in enumerate(lines):
        if waiting:
            yield f"#{line}"
            mark = waiting[0]
            text = line.rstrip("\r\n")
            if (text.lstrip("\t") if mark.chomp else text) == mark.name:
                documents[begun].append(HereDocument(mark, raw, first, number + 1))
                waiting.pop(0)
                first, raw = number + 2, ""
            else:
                raw += f"{text}\n"
            continue
        text = line.strip()
        if within and not text:
            yield f"#{line}"
            continue
        yield line
        if text.startswith("#") or not text:
            continue
        within = text.endswith(escape)
        joined += text.removesuffix(escape) + (" " if within else "")
        if not within:
            word, value = (*joined.split(None, 1), "")[:2]
            joined = ""
            if word.upper() in HOLDERS and (waiting := list(marks(value))):
                begun, first = number, number + 2
                documents[begun] = []
    for mark in waiting:
        documents[begun].append(HereDocument(mark, raw, first, 0))
