"""The values variables have: the set's defaults, then the site, overlays, and what the caller says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Spot, closest
from buildsys.recipe import schema
from buildsys.recipe.document import Written, is_template, strings
from buildsys.recipe.library import Library, Source
from buildsys.resolve.traits import reserved

Value = Any


@dataclass(frozen=True, slots=True)
class _Declared:
    value: Value
    choices: list[Value] | None
    spot: Spot


def settings(
    library: Library, site: Source[schema.Site], given: Mapping[str, str], found: list[Diagnostic]
) -> tuple[dict[str, Value], dict[str, Spot]]:
    """Every variable with its value, and where that was set; mistakes are added to `found`."""
    variables = _Settings(found)
    for written in (library.written, site.written):
        for name, value in (written.data.get("variables") or {}).items():
            variables.declare(name, value, written)
    for overlay in library.overlays:
        for name, value in overlay.variables.items():
            if variables.acceptable(name, value, overlay.written):
                variables.set(name, value, overlay.written.spot("variables", name))
    for name, text in given.items():
        variables.set(name, variables.like(name, text), NOWHERE)
    return variables.values, variables.spots


class _Settings:
    """Variables as they are declared and set; mistakes go to `found`."""

    def __init__(self, found: list[Diagnostic]) -> None:
        self.values: dict[str, Value] = {}
        self.spots: dict[str, Spot] = {}
        """NOWHERE: the caller sets it."""
        self._declared: dict[str, _Declared] = {}
        self._found = found

    def declare(self, name: str, value: Value, written: Written) -> None:
        """A variable with its default, as the set or the site has it; a site may give the set's another."""
        problem = reserved(name)
        if problem is not None:
            self._found.append(Diagnostic(written.key_spot("variables", name), *problem))
            return
        spot = written.spot("variables", name)
        before = self._declared.get(name)
        choices = before.choices if before else None
        if isinstance(value, dict):
            choices = value.get("choices")
            if value.keys() != {"default", "choices"} or not isinstance(choices, list):
                message = f"the variable '{name}' wants a value, or {{default: …, choices: […]}}"
                self._found.append(Diagnostic(spot, Code.BAD_VARIABLE, message))
                return
            value = value["default"]
        if self.acceptable(name, value, written):
            self._declared[name] = _Declared(value, choices, before.spot if before else spot)
            self.set(name, value, spot)

    def set(self, name: str, value: Value, spot: Spot) -> None:
        """Give a declared variable a value."""
        known = self._declared.get(name)
        if known is None:
            names = ", ".join(sorted(self._declared)) or "none"
            hint = closest(name, self._declared) or f"known variables: {names}"
            message = f"the set has no variable '{name}'"
            self._found.append(Diagnostic(spot, Code.UNKNOWN_VARIABLE, message, hint))
        elif known.choices is not None and value not in known.choices:
            choices = list(map(str, known.choices))
            message = f"the variable '{name}' cannot be '{value}'"
            hint = closest(str(value), choices) or f"choices: {', '.join(choices)}"
            related = () if known.spot == spot else ((known.spot, "its choices"),)
            self._found.append(Diagnostic(spot, Code.BAD_CHOICE, message, hint, related))
        else:
            self.values[name] = value
            self.spots[name] = spot

    def acceptable(self, name: str, value: Value, written: Written) -> bool:
        """Whether a variable may hold a value."""
        items = value if isinstance(value, list) else [value]
        if any(item is None or isinstance(item, list | dict) for item in items):
            message = f"the variable '{name}' wants a text, a number, true, false, or a list of these"
            hint = ""
        elif any(map(is_template, strings(value))):
            message, hint = (
                f"the variable '{name}' cannot hold another one",
                "fill both in where they are used",
            )
        else:
            return True
        self._found.append(Diagnostic(written.spot("variables", name), Code.BAD_VARIABLE, message, hint))
        return False

    def like(self, name: str, text: str) -> Value:
        """A text of the command line as the type its variable has."""
        value = self.values.get(name)
        if isinstance(value, bool) and text in ("true", "false"):
            return text == "true"
        if isinstance(value, int) and not isinstance(value, bool) and text.lstrip("-").isdigit():
            return int(text)
        return text.replace(",", " ").split() if isinstance(value, list) else text
