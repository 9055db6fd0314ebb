"""Read a Containerfile: walk its instructions once, and collect what they read and declare.

The names in `FROM`, `COPY --from` and `RUN --mount` decide in which order images are built. Flags and
here-documents that the oldest supported builder does not know are rewritten.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

from buildsys.diagnostics import Code, Diagnostic, Refused, Spot, closest
from buildsys.recipe import flags
from buildsys.recipe.containerfile import Command, Containerfile, Read, Secret
from buildsys.recipe.document import read_text
from buildsys.recipe.plain_text import SCRATCH, PlainText
from buildsys.recipe.scan import WORDS, Instruction, scan
from buildsys.recipe.stage import Stage, expanded

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?([-+])([^}]*))?\})")
_FROM = re.compile(
    r"(?:--platform=\S+\s+)*(?P<image>\S+)(?:\s+as\s+(?P<stage>[a-z0-9][\w.-]*))?\s*", re.IGNORECASE
)


def read_containerfile(path: Path | str, arguments: Mapping[str, str] | None = None) -> Containerfile:
    """Read one; `arguments` are values for what it declares by ARG.

    Raises:
        Refused: it cannot be read (`unreadable-file`, …), is not understood (`containerfile-syntax`,
            `containerfile-flag`), names neither an image nor a stage (`containerfile-from`), or uses a
            variable without a value (`containerfile-argument`); every such mistake.
    """
    file = str(path)
    return _Reader(file, read_text(file), dict(arguments or {})).containerfile()


def read_instructions(text: str, file: str) -> tuple[Instruction, ...]:
    """The instructions of a piece of a Containerfile; its first line is the first of `file`.

    Raises:
        Refused: it is not understood (`containerfile-syntax`).
    """
    found: list[Diagnostic] = []
    read = tuple(scan(file, StringIO(text).readlines(), found))
    if found:
        raise Refused(found)
    return read


class _Reader:
    """Walks the instructions once; mistakes are kept for the end."""

    def __init__(self, file: str, text: str, given: dict[str, str]) -> None:
        self._file = file
        self._lines = StringIO(text).readlines()  # they end in \n, and in nothing else
        self._given = given
        self._found: list[Diagnostic] = []
        self._stages: list[Stage] = []
        self._spots: list[Spot] = []
        self._reads: dict[str, Read] = {}
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._known: dict[str, str] = {}
        self._declared: dict[str, None] = {}
        self._early: set[str] = set()
        self._healthcheck: Spot | None = None
        self._onbuild: Spot | None = None
        self._plain = PlainText(file, self._lines, self._note)
        self._offline: list[Spot] = []
        self._secrets: dict[str, Secret] = {}
        self._commands: list[Command] = []

    def containerfile(self) -> Containerfile:
        """All of it."""
        instructions = tuple(scan(self._file, self._lines, self._found))
        for item in instructions:
            self._take(item)
        if not self._stages and not self._found:
            hint = "begin with FROM and the image that it starts from, or FROM scratch"
            self._note(Spot(self._file), Code.CONTAINERFILE_FROM, "this file has no FROM", hint)
        if self._found:
            raise Refused(self._found)
        last = self._stages[-1]
        parent = self._reads.get(last.base, Read(SCRATCH, self._spots[-1]))
        parent = replace(parent, spot=self._beginning(last))
        reads = {parent.name: parent} | self._reads
        reads.pop(SCRATCH, None)
        return Containerfile(
            file=self._file,
            text="".join(self._lines),
            plain=self._plain.text(self._places),
            instructions=instructions,
            parent=parent,
            reads=tuple(replace(item, places=tuple(self._places[name])) for name, item in reads.items()),
            arguments=tuple(self._declared),
            healthcheck=self._healthcheck,
            onbuild=self._onbuild,
            documents=tuple(self._plain.documents),
            offline=tuple(self._offline),
            secrets=tuple(self._secrets.values()),
            commands=tuple(self._commands),
            volumes=last.volumes,
            based=any(stage.above for stage in self._stages),
            stages=tuple(stage.name for stage in self._stages),
        )

    def _beginning(self, stage: Stage) -> Spot:
        """The place where the file names the image that a stage goes back to."""
        while stage.above:
            stage = stage.above
        return self._spots[self._stages.index(stage)]

    # ── one instruction ─────────────────────────────────────────────────────────────────────────────────────

    def _take(self, item: Instruction) -> None:
        if item.word == "FROM":
            self._from(item)
            return
        if item.word == "ARG":
            self._arg(item)
            return
        if not self._stages:
            hint = "only ARG may stand before it"
            self._note(item.spot, Code.CONTAINERFILE_FROM, f"{item.word} stands before the first FROM", hint)
            return
        self._flags(item)
        stage = self._stages[-1]
        stage.bare = False
        match item.word:
            case "RUN":
                text = re.sub(r"^(?:--\S+\s+)+", "", item.value)
                self._commands.append(Command(text, item.spot, stage.volumes, stage.base))
            case "ENV":
                stage.set(item.value)
            case "SHELL":
                stage.interpret(item.value)
            case "VOLUME":
                stage.mount(item.value)
            case "HEALTHCHECK":
                self._healthcheck = None if item.value.upper() == "NONE" else item.spot
            case "ONBUILD":
                self._onbuild = self._onbuild or item.spot
            case _:
                pass
        if item.documents:
            self._plain.take_here(item, stage)

    def _arg(self, item: Instruction) -> None:
        try:
            words = shlex.split(item.value)
        except ValueError:
            self._note(item.spot, Code.CONTAINERFILE_SYNTAX, "a quotation mark has no partner")
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
                continue
            stage = self._stages[-1]
            stage.bare = False
            default = expanded(value, stage.variables) if equals else self._known.get(name, "")
            stage.declare(name, self._given.get(name, default))

    def _from(self, item: Instruction) -> None:
        self._healthcheck = self._onbuild = None
        self._judge(item)
        match = _FROM.fullmatch(item.value)
        if match is None:
            if not self._found:
                hint = "FROM IMAGE, or FROM IMAGE AS STAGE"
                self._note(item.spot, Code.CONTAINERFILE_SYNTAX, f"'{item.value}' is not understood", hint)
            return
        written, called = match["image"], match["stage"] or ""
        spot = self._place(item, rf"(?<!\S){re.escape(written)}(?=[\s\\]|$)", written)
        name = self._filled(written, item)
        if not name:
            if not self._found:
                self._note(spot, Code.CONTAINERFILE_ARGUMENT, f"'{written}' comes to nothing")
            name = SCRATCH
        above = self._stage(name)
        if above and above.name:
            name = above.name
        elif above is None and (number := _number(name)) is not None and number < len(self._stages):
            above = self._stages[number]
        if name != written:
            line = self._lines[spot.line - 1]
            before, after = line[: spot.column - 1], line[spot.column - 1 + len(written) :]
            self._lines[spot.line - 1] = f"{before}{name}{after}"
        self._spots.append(spot)
        if above:
            self._stages.append(Stage.upon(called, above))
            return
        self._stages.append(Stage(called, name))
        self._outside(name, spot, begins=True)

    def _flags(self, item: Instruction) -> None:
        self._judge(item)
        for flag in flags.flags(item.command):
            value = flag["value"] or ""
            if item.word == "COPY" and flag["name"] == "from":
                self._other(flags.unquoted(value), item)
            elif item.word == "RUN" and flag["name"] == "mount":
                given = dict(flags.options(value))
                if "type" not in given:
                    # buildah 1.28 would take the type of the mount before.
                    spot = self._spot(item, re.escape(flag[0].strip())) or item.spot
                    start = len("--mount=") + (value[:1] in {"'", '"'})
                    self._plain.edit(replace(spot, column=spot.column + start), "", "type=bind,")
                if "from" in given:
                    self._other(given["from"], item)
                if given.get("type") == "secret":
                    self._secret(given, flag[0].strip(), item)

    def _judge(self, item: Instruction) -> None:
        word, command = item.word, item.command
        if word == "ONBUILD" and not any(flags.flags(command)):
            word, command = (*command.split(None, 1), "")[:2]
            word = word.upper()
            if word not in WORDS or word in {"FROM", "MAINTAINER", "ONBUILD"}:
                hint = closest(word, WORDS) or "ONBUILD RUN …, or another instruction but FROM and ONBUILD"
                self._note(item.spot, Code.CONTAINERFILE_SYNTAX, f"'{word}' is not a trigger", hint)
                return
        for flag in flags.flags(command):
            verdict = flags.judge(word, flag["name"], flag["value"])
            if verdict.kind == "kept":
                continue
            text = flag[0].strip()
            spot = self._spot(item, rf"(?<!\S){re.escape(text)}(?=[\s\\]|$)") or item.spot
            if verdict.kind == "refused":
                self._note(spot, Code.CONTAINERFILE_FLAG, verdict.message, verdict.hint)
                continue
            self._plain.edit(spot, text, verdict.instead)
            if verdict.kind == "offline":
                self._offline.append(spot)

    def _secret(self, given: Mapping[str, str], text: str, item: Instruction) -> None:
        name = given.get("id", "")
        spot = self._spot(item, rf"(?<!\S){re.escape(text)}") or item.spot
        if name and not re.fullmatch(r"\w[\w.-]*", name):
            hint = "RUN --mount=type=secret,id=NAME: letters, digits, . _ -"
            self._note(spot, Code.CONTAINERFILE_FLAG, f"'{name}' cannot name a secret", hint)
            return
        required = given.get("required", "").lower() not in {"false", "0"}
        known = self._secrets.get(name)
        self._secrets[name] = Secret(
            name, known.spot if known else spot, required or bool(known and known.required)
        )

    def _other(self, name: str, item: Instruction) -> None:
        """Take the name of COPY --from or RUN --mount=…,from=: an earlier stage, or an image."""
        begin = r"(?:(?<=[-,=\"']from=)|(?<=[-,=\"']from=[\"']))"
        spot = self._place(item, rf"{begin}{re.escape(name)}(?=[\s,\\\"']|$)", name)
        stage = self._stage(name)
        if not name or "$" in name:
            hint = "write the name of an image or of a stage"
            self._note(spot, Code.CONTAINERFILE_FROM, f"'{name}' names no image", hint)
        elif (number := _number(name)) is not None:
            if number >= len(self._stages) - 1:
                hint = "stages are counted from 0, and only earlier ones can be copied from"
                self._note(spot, Code.CONTAINERFILE_FROM, f"there is no stage {name} before this one", hint)
        elif self._stages[-1].name.lower() == name.lower():
            self._note(spot, Code.CONTAINERFILE_FROM, f"the stage '{name}' cannot copy from itself")
        elif stage is None:
            self._outside(name, spot)
        elif stage.name != name:
            # To some builders a capital is another letter.
            line, start = self._lines[spot.line - 1], spot.column - 1
            self._lines[spot.line - 1] = f"{line[:start]}{stage.name}{line[start + len(name) :]}"

    def _stage(self, name: str) -> Stage | None:
        """The last stage of that name."""
        named = (item for item in reversed(self._stages) if item.name and item.name.lower() == name.lower())
        return next(named, None)

    def _outside(self, name: str, spot: Spot, *, begins: bool = False) -> None:
        self._places.setdefault(name, []).append((spot.line, spot.column))
        known = self._reads.get(name)
        if known is None or (begins and not known.begins):
            self._reads[name] = Read(name, known.spot if known else spot, begins=begins)

    # ── places ──────────────────────────────────────────────────────────────────────────────────────────────

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
                self._note(spot, Code.CONTAINERFILE_ARGUMENT, message, near or hint)
            return ""

        return _VARIABLE.sub(value, text.replace('"', "").replace("'", ""))

    def _place(self, item: Instruction, pattern: str, name: str) -> Spot:
        """The place of a name, noted for renaming."""
        spot = self._spot(item, pattern)
        if spot is None:
            hint = "write the name on one line"
            self._note(item.spot, Code.CONTAINERFILE_SYNTAX, f"'{name}' does not stand in one piece", hint)
        return spot or item.spot

    def _spot(self, item: Instruction, pattern: str) -> Spot | None:
        """The place of a text in the lines of an instruction, after its word; each place is returned once."""
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

    def _note(self, spot: Spot, code: Code, message: str, hint: str = "") -> None:
        self._found.append(Diagnostic(spot, code, message, hint))


def _number(name: str) -> int | None:
    """The number of a stage; for one with very many digits, a number that no stage has."""
    return int(name[:10]) if name.isdecimal() else None
