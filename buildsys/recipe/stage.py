"""The state of a stage while its Containerfile is read: variables, shell, volumes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from buildsys.recipe.heredocs import SHELL

_BUILDER = frozenset(
    f"{side}{part}" for side in ("TARGET", "BUILD") for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
) | {"SOURCE_DATE_EPOCH"}
"""Variables that ARG declares and the builder gives a value."""
_PIECE = re.compile(
    r"'(?P<single>[^']*)'|\\(?P<escaped>.)|(?P<quote>\")"
    r"|\$(?:(?P<name>\w+)|\{(?P<braced>\w+)(?:(?P<how>:?[-+])(?P<other>[^}]*))?\})|(?P<plain>.)",
    re.DOTALL,
)
_PAIR = re.compile(
    r"(?P<name>[^\s=]+)=(?P<value>(?:\\.|\"(?:\\.|[^\"\\])*\"|'[^']*'|[^\s\"'\\])*)", re.DOTALL
)


@dataclass(slots=True)
class Stage:
    """A stage as far as it has been read."""

    name: str
    """Empty: it has none."""
    base: str
    """The image outside of the file that it goes back to."""
    above: Stage | None = None
    """The stage that it begins with."""
    bare: bool = True
    """Whether it consists of FROM alone."""
    shell: tuple[str, ...] = SHELL
    volumes: tuple[str, ...] = ()
    environment: dict[str, str | None] = field(default_factory=dict)
    """Values of ENV; None: only a builder knows the value."""
    arguments: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def upon(cls, name: str, above: Stage) -> Stage:
        """A stage that begins with another one."""
        inherited = dict(above.environment)
        return cls(name, above.base, above, shell=above.shell, volumes=above.volumes, environment=inherited)

    @property
    def variables(self) -> Mapping[str, str | None]:
        """Values of variables; None: only a builder knows the value."""
        return {**self.arguments, **self.environment}

    def declare(self, name: str, value: str | None) -> None:
        """Record ARG; without a value, the builder may have one."""
        self.arguments[name] = None if name in _BUILDER else value

    def set(self, value: str) -> None:
        """Record ENV."""
        known = self.variables
        for name, text in _assignments(value):
            self.environment[name] = expanded(text, known)

    def mount(self, value: str) -> None:
        """Record VOLUME."""
        self.volumes += tuple(item.rstrip("/") for item in words(value) if item.rstrip("/"))

    def interpret(self, value: str) -> None:
        """Record SHELL."""
        self.shell = words(value) if value.startswith("[") and words(value) else self.shell


def expanded(text: str, known: Mapping[str, str | None]) -> str | None:
    """A word without its quotes, with variables filled in; None if a variable is unknown."""
    made = ""
    for piece in _PIECE.finditer(text):
        if (name := piece["name"] or piece["braced"]) is None:
            made += piece["single"] or piece["escaped"] or piece["plain"] or ""
            continue
        there, how = known.get(name), piece["how"] or ""
        if name not in known or there is None:
            # The parent may set it.
            return None
        empty = not there and how.startswith(":")
        if how.endswith("+"):
            made += "" if empty else piece["other"] or ""
        else:
            made += piece["other"] or "" if empty and how else there
    return made


def words(value: str) -> tuple[str, ...]:
    """The words of a JSON array, or of plain text."""
    if value.startswith("["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return ()
        return tuple(map(str, found)) if isinstance(found, list) else ()
    return tuple(value.split())


def _assignments(value: str) -> Iterator[tuple[str, str]]:
    if _PAIR.match(value):
        for match in _PAIR.finditer(value):
            yield match["name"], match["value"]
        return
    name, _, text = value.partition(" ")
    yield name, text.strip()
