"""Read one YAML file strictly: plain data, and a Spot for every value and key of it.

The only door to yaml. libyaml parses; the events are turned into data here, because a recipe needs
less than YAML offers (no aliases, no tags, no text that some readers take for another type) and
more than its loaders keep (the place of each value).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaml import MappingStartEvent, ScalarEvent
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.error import MarkedYAMLError
from yaml.events import AliasEvent, DocumentStartEvent, MappingEndEvent, SequenceEndEvent, StreamEndEvent
from yaml.reader import ReaderError

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, Spot
from buildsys.recipe.aliases import Aliases, BadAlias, Marks, merge
from buildsys.recipe.colons import misread_colon

LINE = 1 << 21
"""A position is line * LINE + column, both from 0: one small number where there are hundreds of thousands."""


@dataclass(frozen=True, slots=True)
class Written:
    """A piece of a document: its data, and the place of each part."""

    file: str
    data: Any
    marks: Marks
    templated: bool = False
    """Whether a text of it holds `{{` or `{%`."""

    def spot(self, *path: str | int) -> Spot:
        """The place of the value at `path`; of a value that was not written, the place of its container."""
        marks, _ = _walk(self.marks, path)
        return spot_of(self.file, marks if type(marks) is int else marks[0])

    def key_spot(self, *path: str | int) -> Spot:
        """The place of the key that ends `path`."""
        *above, last = path
        marks, arrived = _walk(self.marks, above)
        if arrived and type(marks) is tuple and last in marks[1]:
            return spot_of(self.file, marks[1][last][0])
        return self.spot(*path)

    def part(self, *path: str | int) -> Written:
        """The piece at `path`, which must exist."""
        data = self.data
        for step in path:
            data = data[step]
        marks, _ = _walk(self.marks, path)
        return Written(self.file, data, marks, self.templated and any(map(is_template, strings(data))))

    def with_data(self, data: Any) -> Written:
        """Other data at the same places, such as data with its variables filled in."""
        return Written(self.file, data, self.marks)


def _walk(marks: Marks, path: Iterable[str | int]) -> tuple[Marks, bool]:
    """The marks at the end of a path, or of its longest written part; and whether it is the whole."""
    for step in path:
        if type(marks) is tuple:
            entry = marks[1].get(step)
            if entry is None:
                return marks, False
            marks = entry[1]
        elif type(marks) is list and type(step) is int and step + 1 < len(marks):
            marks = marks[step + 1]
        else:
            return marks, False
    return marks, True


def spot_of(file: str, position: int) -> Spot:
    """The Spot of a position."""
    return Spot(file, position // LINE + 1, position % LINE + 1)


def is_template(text: str) -> bool:
    """Whether a text holds a template."""
    return "{{" in text or "{%" in text


def data_hash(written: Written) -> str:
    """Hash of the data of a piece; comments, places and the order of keys do not change it."""
    return hashlib.sha256(json.dumps(written.data, sort_keys=True).encode()).hexdigest()


def strings(data: Any) -> Iterator[str]:
    """Every text within data, without keys."""
    if type(data) is str:
        yield data
    elif type(data) is dict:
        for value in data.values():
            yield from strings(value)
    elif type(data) is list:
        for value in data:
            yield from strings(value)


__all__ = ["DEEPEST", "LARGEST", "Written", "parse", "read", "read_text"]

Related = tuple[tuple[Spot, str], ...]

LARGEST = 1 << 20
"""Bytes of a file at most."""
DEEPEST = 40
"""Levels of nested collections at most."""

_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_TRUE = ("yes", "on", "true")
_OTHER_WORDS = {
    form: "nothing" if word == "null" else "true or false"
    for word in ("yes", "no", "on", "off", "true", "false", "null")
    for form in (word, word.capitalize(), word.upper())
    if form not in _WORDS
}
_SPECIAL = frozenset(_WORDS.keys() | _OTHER_WORDS.keys())
_NO_ALIAS = "write the value out, or share it with a trait"
# Each text that some reader takes for a number or a date begins with one of these.
_NUMERIC_START = frozenset("0123456789+-.")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?")
_NUMBER = re.compile(
    r"[-+]?[0-9][0-9_]*|[-+]?0o[0-7_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?0b[01_]+"
    r"|[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def _other_meaning(plain: str) -> str:
    """The other meaning of an unquoted text in some version of YAML; empty where it is text in all."""
    if _DATE.fullmatch(plain):
        return "a date"
    return "a number" if _NUMBER.fullmatch(plain) else _OTHER_WORDS.get(plain, "")


def read(path: Path | str) -> Written:
    """Read one file.

    Raises:
        Refused: the file cannot be read, or is not what the strict YAML of recipes allows; every
            mistake up to the first that ends parsing.
    """
    file = str(path)
    return parse(read_text(file), file)


def read_foreign(path: Path | str) -> Written:
    """Read a file of another system, in which ambiguous texts have their YAML 1.1 meaning.

    `yes`, `No` and `TRUE` are true or false; other texts that look like numbers or dates stay as written.
    Aliases and merged maps (`<<`) have the places of what they stand for.

    Raises:
        Refused: as `read`.
    """
    file = str(path)
    return _Reader(read_text(file), file, foreign=True).document()


def parse(text: str, file: str) -> Written:
    """Read the text of `file`, as `read` does."""
    return _Reader(text, file).document()


def read_text(file: str) -> str:
    """The text of a file.

    Raises:
        Refused: it cannot be read, is too large or not UTF-8.
    """
    raw = _bytes(file)
    if len(raw) > LARGEST:
        raise _refused(Spot(file), Code.LARGE_FILE, f"this file is larger than {LARGEST} bytes")
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")  # editors on Windows write it
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        spot = Spot(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"this file is not UTF-8: byte 0x{raw[error.start]:02x}"
        raise _refused(spot, Code.NOT_UTF_8, message, "save it as UTF-8") from None


def _bytes(file: str) -> bytes:
    try:
        # Opening a pipe would wait for a writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                # Without a Spot: showing a line of it would wait as well.
                message = f"{file} is not a file, but a folder, a pipe or a device"
                raise _refused(NOWHERE, Code.UNREADABLE_FILE, message)
            return os.read(descriptor, LARGEST + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _refused(Spot(file), Code.UNREADABLE_FILE, f"cannot read this file: {reason}") from None


def _refused(spot: Spot, code: Code, message: str, hint: str = "") -> Refused:
    return Refused([Diagnostic(spot, code, message, hint)])


class _Stop(Exception):  # noqa: N818 - not an error: the mistake is noted already
    """Parsing cannot go on."""


class _Reader:
    """Turns the events of one document into data and marks, and collects mistakes."""

    def __init__(self, text: str, file: str, *, foreign: bool = False) -> None:
        self._source = text
        self._file = file
        self._foreign = foreign
        self._found: list[Diagnostic] = []
        # Most documents hold none of these: then their values need not be searched.
        self._wary = "&" in text or "!" in text
        self._escapes = "\\" in text
        self._aliases = Aliases()

    def document(self) -> Written:
        written = None
        try:
            written = self._document()
        except _Stop:
            pass
        except MarkedYAMLError as error:
            self._syntax(error)
        except ReaderError as error:
            before = self._source.encode()[: error.position].decode("utf-8", errors="replace")
            spot = Spot(self._file, before.count("\n") + 1, len(before) - before.rfind("\n"))
            self._found.append(
                Diagnostic(spot, Code.YAML_SYNTAX, f"a character YAML does not allow: {error.reason}")
            )
        if self._found or written is None:
            raise Refused(self._found)
        return written

    def _document(self) -> Written:
        parser = CParser(self._source)
        self._next = parser.get_event
        self._next()  # the stream's start
        if type(self._next()) is StreamEndEvent:
            message = "this file is empty"
            self._note(0, Code.EMPTY_FILE, message, "write the document it should hold, or remove the file")
            raise _Stop
        event = self._next()
        if type(event) is ScalarEvent and event.value == "" and event.implicit[0]:
            self._note(0, Code.EMPTY_FILE, "this file holds nothing but comments or '---'", "remove the file")
            raise _Stop
        data, marks = self._value(event, 0)
        self._next()  # the document's end
        event = self._next()
        if type(event) is DocumentStartEvent:
            message, hint = "a second document begins here", "write one document a file"
            self._note(_position(event), Code.SEVERAL_DOCUMENTS, message, hint)
        templated = is_template(self._source) and any(map(is_template, strings(data)))
        return Written(self._file, data, marks, templated)

    def _value(self, event: Any, depth: int) -> tuple[Any, Marks]:
        if self._wary and type(event) is not AliasEvent:
            self._refuse_properties(event)
            if event.anchor is not None:
                # Within its own value an alias would have no end.
                self._aliases.forget(event.anchor)
                data, marks = self._content(event, depth)
                self._aliases.keep(event.anchor, data, marks)
                return data, marks
        return self._content(event, depth)

    def _anchored(self, name: str, position: int, depth: int) -> tuple[Any, Marks]:
        """The value that an alias stands for."""
        try:
            data, marks, height = self._aliases.value(name)
        except BadAlias as bad:
            self._note(position, Code.YAML_ALIAS, bad.message, bad.hint)
            raise _Stop from None
        if depth + height > DEEPEST:
            self._note(position, Code.DEEP_NESTING, f"more than {DEEPEST} collections stand in one another")
            raise _Stop
        return data, marks

    def _content(self, event: Any, depth: int) -> tuple[Any, Marks]:
        kind = type(event)
        if kind is ScalarEvent:
            mark = event.start_mark
            position = mark.line * LINE + mark.column
            value = event.value
            if event.implicit[0] and (value in _SPECIAL or value[0] in _NUMERIC_START):
                return self._plain(value, position), position
            if self._escapes and "\0" in value:
                self._note(position, Code.NUL_CHARACTER, "a text cannot hold a NUL character")
            return value, position
        position = _position(event)
        if kind is AliasEvent and self._foreign:
            return self._anchored(event.anchor, position, depth)
        if kind is AliasEvent:
            message = f"an alias (*{event.anchor}) is not allowed"
            self._note(position, Code.YAML_ALIAS, message, _NO_ALIAS)
            raise _Stop
        if depth == DEEPEST:
            self._note(position, Code.DEEP_NESTING, f"more than {DEEPEST} collections stand in one another")
            raise _Stop
        if kind is MappingStartEvent:
            return self._mapping(position, depth + 1)
        items: list[Any] = []
        marks: list[Any] = [position]
        while type(item := self._next()) is not SequenceEndEvent:
            value, mark = self._value(item, depth + 1)
            items.append(value)
            marks.append(mark)
        return items, marks

    def _mapping(self, position: int, depth: int) -> tuple[dict[str, Any], Marks]:
        items: dict[str, Any] = {}
        marks: dict[str, tuple[int, Marks]] = {}
        following, value = self._next, self._value
        while type(event := following()) is not MappingEndEvent:
            key, mark = value(event, depth)
            if type(key) is not str and self._foreign and type(event) is ScalarEvent:
                key = event.value
            if type(key) is not str:
                mark = _position(event)
                self._note(mark, Code.KEY_NOT_TEXT, "a key must be text", _quote(event))
                key = str(key)
            elif key in items:
                first = (spot_of(self._file, marks[key][0]), "first written here")
                message = f"the key '{key}' is written twice"
                self._note(mark, Code.DUPLICATE_KEY, message, "keep one of them", (first,))
            items[key], inner = value(following(), depth)
            marks[key] = (mark, inner)
        if self._foreign and "<<" in items:
            try:
                merge(items, marks)
            except BadAlias as bad:
                self._note(marks["<<"][0], Code.YAML_ALIAS, bad.message, bad.hint)
                raise _Stop from None
        return items, (position, marks)

    def _plain(self, value: str, position: int) -> Any:
        if value in _WORDS:
            return _WORDS[value]
        if _INTEGER.fullmatch(value) and value != "-0":
            return int(value)
        meaning = _other_meaning(value)
        if self._foreign:
            return value.lower() in _TRUE if meaning == "true or false" else value
        if meaning:
            hint = f'quote it if it is text: "{value}"'
            if meaning == "true or false":
                hint = f"write {'true' if value.lower() in _TRUE else 'false'}, or {hint}"
            message = f"unquoted, {value} is {meaning} to some readers of YAML and text to others"
            self._note(position, Code.AMBIGUOUS_TEXT, message, hint)
        return value

    def _refuse_properties(self, event: Any) -> None:
        if event.anchor is not None and not self._foreign:
            message = f"an anchor (&{event.anchor}) is not allowed"
            self._note(_position(event), Code.YAML_ALIAS, message, _NO_ALIAS)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._note(_position(event), Code.YAML_TAG, f"a tag ({tag}) is not allowed", "leave the tag out")

    def _syntax(self, error: MarkedYAMLError) -> None:
        mark, begin = error.problem_mark, error.context_mark
        if mark is None:
            mark = begin
        position = mark.line * LINE + mark.column if mark else 0
        related: Related = ()
        if error.context and begin and mark and begin.line != mark.line:
            related = ((spot_of(self._file, begin.line * LINE + begin.column), error.context),)
        suspect = begin.line if begin else None
        if "mapping values" in str(error.problem):
            suspect = position // LINE - 1
        if slip := misread_colon(self._source.splitlines(), *divmod(position, LINE), suspect=suspect):
            line, column, message, hint = slip
            self._note(line * LINE + column, Code.YAML_SYNTAX, message, hint)
            return
        lines = self._source.splitlines()[position // LINE :]
        tab = bool(lines) and "\t" in lines[0][: position % LINE + 1]
        hint = "indent with spaces: YAML takes no tabs" if tab else ""
        self._note(position, Code.YAML_SYNTAX, f"this is not YAML: {error.problem}", hint, related)

    def _note(
        self,
        position: int,
        code: Code,
        message: str,
        hint: str = "",
        related: Related = (),
    ) -> None:
        self._found.append(Diagnostic(spot_of(self._file, position), code, message, hint, related))


def _position(event: Any) -> int:
    mark = event.start_mark
    line: int = mark.line
    column: int = mark.column
    return line * LINE + column


def _quote(event: Any) -> str:
    return f'quote it: "{event.value}"' if type(event) is ScalarEvent and event.value else ""
