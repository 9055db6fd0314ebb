"""Configuration files: defaults of options, for a user and for a host.

They are TOML, and flat: `site = "rdo"`. The user's file counts before the host's.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Code, Diagnostic, Refused, Spot, closest
from buildsys.search_path import home

SYSTEM = Path("/etc/buildsys/config.toml")
BELOW = Path("buildsys/config.toml")
"""The user's file, below the user's folder of configuration."""
LARGEST = 1 << 16
"""Bytes of a file."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of a configuration file, and its place."""

    value: Any
    spot: Spot


def files(environment: Mapping[str, str]) -> list[Path]:
    """The configuration files, the one that counts first; they need not exist."""
    given = environment.get("XDG_CONFIG_HOME", "")
    folder = home(environment)
    # The specification ignores relative paths.
    users = Path(given) if given.startswith("/") else folder / ".config" if folder else None
    return [*([users / BELOW] if users else []), SYSTEM]


def settings(environment: Mapping[str, str]) -> dict[str, Setting]:
    """The settings of all configuration files, by key.

    Raises:
        Refused: mistakes in them, all together.
    """
    found: dict[str, Setting] = {}
    mistakes: list[Diagnostic] = []
    for path in files(environment):
        try:
            found = {**read(path, environment), **found}
        except Refused as refused:
            mistakes += refused.diagnostics
    if mistakes:
        raise Refused(mistakes)
    return found


def read(path: Path, environment: Mapping[str, str]) -> dict[str, Setting]:
    """The settings of one file, by key; none if there is no such file.

    Raises:
        Refused: mistakes in it, all together.
    """
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused([_not_toml(path, text, str(error))]) from None
    spots = dict(_spots(path, text))
    found: dict[str, Setting] = {}
    mistakes = []
    for key, value in data.items():
        at, of_value = spots.get(key, (Spot(str(path)), Spot(str(path))))
        if key not in KEYS:
            hint = closest(key, KEYS) or f"the keys are {', '.join(KEYS)}"
            mistakes.append(Diagnostic(at, Code.UNKNOWN_KEY, f"there is no key '{key}' here", hint))
            continue
        try:
            found[key] = Setting(KEYS[key](value, environment), of_value)
        except _WrongValueError as wrong:
            mistakes.append(Diagnostic(of_value, wrong.code, wrong.message, wrong.hint))
    if mistakes:
        raise Refused(mistakes)
    return found


def _text(path: Path) -> str:
    """The text of a file; empty if there is none."""
    spot = Spot(str(path))
    try:
        # No pipe and no device: to open one can wait for ever.
        if not path.exists() or not path.is_file():
            return ""
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message, hint = f"cannot read this file: {reason}", "let yourself read it"
        raise Refused([Diagnostic(spot, Code.UNREADABLE_FILE, message, hint)]) from None
    if len(raw) > LARGEST:
        message = f"this file is larger than {LARGEST} bytes"
        raise Refused([Diagnostic(spot, Code.LARGE_FILE, message, "keep settings alone in it")])
    try:
        return raw.decode().removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        spot = Spot(str(path), before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        message = f"this file is not UTF-8: byte 0x{raw[error.start]:02x}"
        raise Refused([Diagnostic(spot, Code.NOT_UTF_8, message, "save it as UTF-8")]) from None


def _not_toml(path: Path, text: str, message: str) -> Diagnostic:
    """The parser names the place in its message, and nowhere else before Python 3.14."""
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    line, column = (int(place[1]), int(place[2])) if place and place[1] else _end(text)
    what = message[: place.start()] if place else message
    what = what[:1].lower() + what[1:]
    hint = 'a setting is KEY = VALUE, text in quotes: site = "rdo"'
    return Diagnostic(Spot(str(path), line, column), Code.TOML_SYNTAX, what, hint)


def _end(text: str) -> tuple[int, int]:
    lines = text.rstrip("\n").split("\n")
    return len(lines), len(lines[-1]) + 1


def _spots(path: Path, text: str) -> Iterator[tuple[str, tuple[Spot, Spot]]]:
    """Each key with its place and that of its value.

    The parser knows no places. A setting ends where the text so far can be parsed; it begins at the first
    line after the previous setting that holds more than a comment.
    """
    lines = text.split("\n")
    known: set[str] = set()
    begin: int | None = None
    for number, line in enumerate(lines):
        if begin is None and line.strip() and not line.lstrip().startswith("#"):
            begin = number
        try:
            keys = tomllib.loads("\n".join(lines[: number + 1])).keys()
        except tomllib.TOMLDecodeError:
            continue
        if begin is not None:
            first = lines[begin]
            column = len(first) - len(first.lstrip()) + 1
            written = re.match(r"\s*[^=]*=\s*", first)
            places = (
                Spot(str(path), begin + 1, column),
                Spot(str(path), begin + 1, written.end() + 1 if written else column),
            )
            yield from ((key, places) for key in keys - known)
        known |= keys
        begin = None


class _WrongValueError(Exception):
    def __init__(self, code: Code, message: str, hint: str) -> None:
        self.code, self.message, self.hint = code, message, hint
        super().__init__(message)


def _word(value: Any, _environment: Mapping[str, str]) -> str:
    if not isinstance(value, str) or not value:
        raise _WrongValueError(Code.WRONG_TYPE, "this is not a text", 'write it in quotes: "…"')
    if "\0" in value or "\n" in value:
        raise _WrongValueError(Code.WRONG_TYPE, "this text has more than one line", "write one line")
    return value


def _number(value: Any, _environment: Mapping[str, str]) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _WrongValueError(
            Code.WRONG_TYPE, "this is not a whole number", "write it without quotes: jobs = 4"
        )
    if value < 1:
        raise _WrongValueError(
            Code.BAD_NUMBER, f"{value} is not above 0", "leave the key out for what suits the host"
        )
    return value


def _words(value: Any, environment: Mapping[str, str]) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise _WrongValueError(Code.WRONG_TYPE, "this is not a list of texts", 'write ["…", "…"]')
    return tuple(_word(item, environment) for item in value)


def _path(value: Any, environment: Mapping[str, str]) -> str:
    text = _word(value, environment)
    if text != "~" and not text.startswith("~/"):
        return text
    folder = home(environment)
    if folder is None:
        message = "this user has no home, so ~ means nothing"
        raise _WrongValueError(Code.BAD_PATH, message, "write a path that begins with /")
    return str(folder / text[2:])


def _paths(value: Any, environment: Mapping[str, str]) -> tuple[str, ...]:
    texts = tuple(_path(item, environment) for item in _words(value, environment))
    for text in texts:
        if not text.startswith("/"):
            message = f"'{text}' is a relative path, and this file counts in every folder"
            raise _WrongValueError(Code.BAD_PATH, message, "begin it with / or ~/")
    return texts


KEYS: Mapping[str, Callable[[Any, Mapping[str, str]], Any]] = {
    "site": _word,
    "store": _word,
    "to": _words,
    "jobs": _number,
    "recipes": _paths,
    "build-dir": _path,
}
"""Key -> what takes its value and returns it as options have it."""
