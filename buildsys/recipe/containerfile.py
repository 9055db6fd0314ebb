"""Read a Containerfile: its instructions with their lines, and the images it reads.

The only door to dockerfile_parse, which finds instructions in text. What `FROM`, `COPY --from` and
`RUN --mount` name is worked out here, since it decides in which order images are built.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO, StringIO
from pathlib import Path

from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

from buildsys.diagnostics import Diagnostic, Refused, Spot, closest
from buildsys.recipe.document import read_text

SCRATCH = "scratch"
"""What a stage begins with that begins with nothing."""
WORDS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip
"""All instructions there are."""

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?([-+])([^}]*))?\})")
_FROM = re.compile(
    r"(?:--platform=\S+\s+)*(?P<image>\S+)(?:\s+as\s+(?P<stage>[a-z0-9][\w.-]*))?\s*", re.IGNORECASE
)
_FLAG = re.compile(r"--(?P<name>[\w-]+)(?:=(?P<value>\S*))?(?:\s+|$)")
_HEREDOC = re.compile(r"(?:^|\s)<<-?[\"']?\w")


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction: its word in capitals, and what follows it, with its lines joined."""

    word: str
    value: str
    spot: Spot = field(compare=False)
    lines: tuple[int, int] = field(compare=False)
    """The first and the last, counted from 1."""


@dataclass(frozen=True, slots=True)
class Read:
    """An image that a Containerfile reads, as it names it, variables filled in."""

    name: str
    spot: Spot = field(compare=False)
    places: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    """Each line and column, counted from 1, at which the text of the whole file names it."""


@dataclass(frozen=True, slots=True)
class Containerfile:
    """A Containerfile, understood as far as building in order demands it."""

    file: str
    text: str
    """With variables of FROM filled in; line by line as it was written."""
    instructions: tuple[Instruction, ...]
    parent: Read
    """What the last stage goes back to; SCRATCH: nothing."""
    reads: tuple[Read, ...]
    """All images outside of the file, each once, the parent first; nothing is none."""
    arguments: tuple[str, ...]
    """Names that ARG declares."""
    healthcheck: Spot | None
    """Of a health check in the last stage."""


def read_containerfile(path: Path | str, arguments: Mapping[str, str] | None = None) -> Containerfile:
    """Read one; `arguments` are values for what it declares by ARG.

    Raises:
        Refused: it cannot be read (`unreadable-file`, …), is not understood (`containerfile-syntax`), names
            no image or a stage that is none (`containerfile-from`), or an image by a variable without a
            value (`containerfile-argument`); every such mistake.
    """
    file = str(path)
    return _Reader(file, read_text(file), dict(arguments or {})).containerfile()


def read_instructions(text: str, file: str) -> tuple[Instruction, ...]:
    """The instructions of a piece of a Containerfile; its first line is the first of `file`.

    Raises:
        Refused: it is not understood (`containerfile-syntax`).
    """
    return _Reader(file, text, {}).piece()


class _Reader:
    """Walks the instructions once; mistakes are kept for the end."""

    def __init__(self, file: str, text: str, given: dict[str, str]) -> None:
        self._file = file
        self._lines = StringIO(text).readlines()  # they end in \n, and in nothing else
        self._given = given
        self._found: list[Diagnostic] = []
        self._stages: list[tuple[str, Read]] = []
        self._reads: dict[str, Read] = {}
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._known: dict[str, str] = {}
        self._declared: dict[str, None] = {}
        self._early: set[str] = set()
        self._healthcheck: Spot | None = None

    def containerfile(self) -> Containerfile:
        """All of it."""
        instructions = tuple(self._instructions())
        for item in instructions:
            self._take(item)
        if not self._stages and not self._found:
            hint = "begin with FROM and the image that it starts from, or FROM scratch"
            self._note(Spot(self._file), "containerfile-from", "this file has no FROM", hint)
        if self._found:
            raise Refused(self._found)
        parent = self._stages[-1][1]
        reads = {parent.name: parent} | self._reads
        reads.pop(SCRATCH, None)
        return Containerfile(
            file=self._file,
            text="".join(self._lines),
            instructions=instructions,
            parent=parent,
            reads=tuple(replace(item, places=tuple(self._places[name])) for name, item in reads.items()),
            arguments=tuple(self._declared),
            healthcheck=self._healthcheck,
        )

    def piece(self) -> tuple[Instruction, ...]:
        """The instructions alone."""
        found = tuple(self._instructions())
        if self._found:
            raise Refused(self._found)
        return found

    def _instructions(self) -> Iterator[Instruction]:
        text = "".join(_without_gaps(self._lines))
        parsed = DockerfileParser(fileobj=BytesIO(text.encode()), env_replace=False).structure
        covered: set[int] = set()
        for item in parsed:
            first, last = item["startline"], item["endline"]
            covered.update(range(first, last + 1))
            word = item["instruction"]
            if word == "COMMENT":
                continue
            line = self._lines[first]
            spot = Spot(self._file, first + 1, len(line) - len(line.lstrip()) + 1)
            if word not in WORDS:
                hint = closest(word, WORDS) or f"instructions are {', '.join(WORDS)}"
                self._note(spot, "containerfile-syntax", f"'{word}' is no instruction", hint)
                return
            if word in {"RUN", "COPY", "ADD"} and _HEREDOC.search(item["value"]):
                hint = "put the text into a file beside this one, and COPY it"
                self._note(spot, "containerfile-syntax", "here-documents are not understood", hint)
                return
            if not item["value"].strip():
                self._note(spot, "containerfile-syntax", f"'{word}' has nothing behind it")
                return
            yield Instruction(word, item["value"].strip(), spot, (first + 1, last + 1))
        for number, line in enumerate(self._lines):
            # What the parser passes over in silence.
            if number not in covered and line.strip():
                spot = Spot(self._file, number + 1, len(line) - len(line.lstrip()) + 1)
                message = f"the file ends in the middle of '{line.split()[0]}'"
                self._note(spot, "containerfile-syntax", message)
                return

    def _take(self, item: Instruction) -> None:
        match item.word:
            case "FROM":
                self._from(item)
            case "ARG":
                self._arg(item)
            case _ if not self._stages:
                hint = "only ARG may stand before it"
                self._note(item.spot, "containerfile-from", f"{item.word} stands before the first FROM", hint)
            case "COPY" | "RUN":
                self._flags(item)
            case "HEALTHCHECK":
                self._healthcheck = None if item.value.upper() == "NONE" else item.spot
            case _:
                pass

    def _arg(self, item: Instruction) -> None:
        try:
            words = shlex.split(item.value)
        except ValueError:
            self._note(item.spot, "containerfile-syntax", "a quotation mark has no partner")
            return
        for word in words:
            name, equals, value = word.partition("=")
            self._declared[name] = None
            # What stands before the first FROM is all that FROM knows.
            if not self._stages:
                self._early.add(name)
                if name in self._given:
                    self._known[name] = self._given[name]
                elif equals:
                    self._known[name] = self._filled(value, item)

    def _from(self, item: Instruction) -> None:
        self._healthcheck = None
        match = _FROM.fullmatch(item.value)
        if match is None:
            hint = "FROM IMAGE, or FROM IMAGE AS STAGE"
            self._note(item.spot, "containerfile-syntax", f"'{item.value}' is not understood", hint)
            return
        written = match["image"]
        spot = self._place(item, rf"(?<!\S){re.escape(written)}(?=[\s\\]|$)", written)
        name = self._filled(written, item)
        if not name:
            if not self._found:
                self._note(spot, "containerfile-argument", f"'{written}' comes to nothing")
            name = SCRATCH
        elif name != written:
            line = self._lines[spot.line - 1]
            before, after = line[: spot.column - 1], line[spot.column - 1 + len(written) :]
            self._lines[spot.line - 1] = f"{before}{name}{after}"
        self._stages.append((match["stage"] or "", self._stage(name) or self._outside(name, spot)))

    def _flags(self, item: Instruction) -> None:
        rest = item.value
        while flag := _FLAG.match(rest):
            rest = rest[flag.end() :]
            if item.word == "COPY" and flag["name"] == "from":
                self._other(flag["value"] or "", item)
            elif item.word == "RUN" and flag["name"] == "mount":
                for part in (flag["value"] or "").split(","):
                    key, _, value = part.partition("=")
                    if key == "from":
                        self._other(value, item)

    def _other(self, name: str, item: Instruction) -> None:
        """What COPY --from and RUN --mount=…,from= name: a stage before this one, or an image."""
        spot = self._place(item, rf"(?<=[-,=]from=){re.escape(name)}(?=[\s,\\]|$)", name)
        if not name or "$" in name:
            hint = "write the name of an image or of a stage"
            self._note(spot, "containerfile-from", f"'{name}' names no image", hint)
        elif name.isdecimal():
            if int(name) >= len(self._stages) - 1:
                hint = "stages are counted from 0, and only earlier ones can be copied from"
                self._note(spot, "containerfile-from", f"there is no stage {name} before this one", hint)
        elif self._stages[-1][0].lower() == name.lower():
            self._note(spot, "containerfile-from", f"the stage '{name}' cannot copy from itself")
        elif self._stage(name) is None:
            self._outside(name, spot)

    def _stage(self, name: str) -> Read | None:
        """What a stage goes back to, by its name."""
        named = (base for stage, base in reversed(self._stages) if stage and stage.lower() == name.lower())
        return next(named, None)

    def _outside(self, name: str, spot: Spot) -> Read:
        self._places.setdefault(name, []).append((spot.line, spot.column))
        return self._reads.setdefault(name, Read(name, spot))

    def _filled(self, text: str, item: Instruction) -> str:
        """A text with its variables filled in."""

        def value(match: re.Match[str]) -> str:
            name, sign, other = match[1] or match[2], match[3], match[4] or ""
            known = self._known.get(name, "")
            if sign == "+":
                return other if known else ""
            if known or sign == "-":
                return known or other
            if name not in self._known:
                hint = f"FROM knows what ARG says before the first FROM: ARG {name}=VALUE"
                if name in self._early:
                    hint = f"give it one: ARG {name}=VALUE before the first FROM, or args: in the recipe"
                near = closest(name, self._early - {name})
                message = f"the variable '{name}' has no value here"
                spot = self._spot(item, re.escape(match[0])) or item.spot
                self._note(spot, "containerfile-argument", message, near or hint)
            return ""

        return _VARIABLE.sub(value, text.replace('"', "").replace("'", ""))

    def _place(self, item: Instruction, pattern: str, name: str) -> Spot:
        """Where a name stands, so that another can take its place."""
        spot = self._spot(item, pattern)
        if spot is None:
            hint = "write the name on one line"
            self._note(item.spot, "containerfile-syntax", f"'{name}' does not stand in one piece", hint)
        return spot or item.spot

    def _spot(self, item: Instruction, pattern: str) -> Spot | None:
        """Where something stands in the lines of an instruction, behind its word; no place is given twice."""
        taken = {place for places in self._places.values() for place in places}
        for number in range(item.lines[0], item.lines[1] + 1):
            line = self._lines[number - 1]
            if line.lstrip().startswith("#"):
                continue
            start = item.spot.column - 1 + len(item.word) if number == item.lines[0] else 0
            for match in re.compile(pattern).finditer(line, start):
                if (number, match.start() + 1) not in taken:
                    return Spot(self._file, number, match.start() + 1)
        return None

    def _note(self, spot: Spot, code: str, message: str, hint: str = "") -> None:
        self._found.append(Diagnostic(spot, code, message, hint))


def _without_gaps(lines: list[str]) -> Iterator[str]:
    """The lines, with a comment for each empty one within an instruction: builders pass over both."""
    within = False
    for line in lines:
        text = line.strip()
        if within and not text:
            yield f"#{line}"
            continue
        yield line
        if within and text.startswith("#"):
            continue
        within = text.endswith("\\") and not text.startswith("#")
