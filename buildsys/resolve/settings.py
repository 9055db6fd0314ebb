"""The values variables have: the set's defaults, then the site, overlays, and what the caller says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from buildsys.diagnostics import NOWHERE, Diagnostic, Spot, closest
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
    library: Library, site: Source[schema.Site] | None, given: Mapping[str, str], found: list[Diagnostic]
) -> dict[str, Value]:
    """Every variable with its value; mistakes are added to `found`."""
    declared: dict[str, _Declared] = {}
    sources = [library.written]
    if site is not None:
        sources.append(site.written)
    for written in sources:
        for name, value in (written.data.get("variables") or {}).items():
            _declare(name, value, written, declared, found)
    values = {name: item.value for name, item in declared.items()}
    for overlay in library.overlays:
        for name, value in overlay.variables.items():
            if _acceptable(name, value, overlay.written, found):
                _set(name, value, overlay.written.spot("variables", name), declared, values, found)
    for name, text in given.items():
        _set(name, _like(declared.get(name), text), NOWHERE, declared, values, found)
    return values


def _declare(
    name: str, value: Value, written: Written, declared: dict[str, _Declared], found: list[Diagnostic]
) -> None:
    problem = reserved(name)
    if problem is not None:
        found.append(Diagnostic(written.key_spot("variables", name), *problem))
        return
    spot = written.spot("variables", name)
    choices: list[Value] | None = None
    before = declared.get(name)
    if isinstance(value, dict):
        choices = value.get("choices")
        if value.keys() != {"default", "choices"} or not isinstance(choices, list):
            message = f"the variable '{name}' wants a value, or {{default: …, choices: […]}}"
            found.append(Diagnostic(spot, "bad-variable", message))
            return
        value = value["default"]
    elif before is not None:
        choices = before.choices
    if _acceptable(name, value, written, found):
        declared[name] = _Declared(value, choices, spot if before is None else before.spot)
        if choices is not None and value not in choices:
            found.append(_not_a_choice(name, value, spot, declared[name]))


def _acceptable(name: str, value: Value, written: Written, found: list[Diagnostic]) -> bool:
    items = value if isinstance(value, list) else [value]
    if any(item is None or isinstance(item, list | dict) for item in items):
        message, hint = f"the variable '{name}' wants a text, a number, true, false, or a list of these", ""
    elif any(map(is_template, strings(value))):
        message, hint = (
            f"the value of the variable '{name}' cannot hold variables",
            "fill it in where it is used",
        )
    else:
        return True
    found.append(Diagnostic(written.spot("variables", name), "bad-variable", message, hint))
    return False


def _set(
    name: str, value: Value, spot: Spot, declared: Mapping[str, _Declared], values: dict[str, Value],
    found: list[Diagnostic],
) -> None:  # fmt: skip
    known = declared.get(name)
    if known is None:
        hint = closest(name, declared) or f"known variables: {', '.join(sorted(declared)) or 'none'}"
        message = f"the set has no variable '{name}'"
        found.append(Diagnostic(spot, "unknown-variable", message, hint))
    elif known.choices is not None and value not in known.choices:
        found.append(_not_a_choice(name, value, spot, known))
    else:
        values[name] = value


def _not_a_choice(name: str, value: Value, spot: Spot, known: _Declared) -> Diagnostic:
    choices = ", ".join(map(str, known.choices or ()))
    message = f"the variable '{name}' cannot be '{value}'"
    hint = closest(str(value), map(str, known.choices or ())) or f"choices: {choices}"
    related = () if known.spot == spot else ((known.spot, "its choices"),)
    return Diagnostic(spot, "bad-choice", message, hint, related)


def _like(known: _Declared | None, text: str) -> Value:
    """A text of the command line as the type its variable has."""
    value = known.value if known else ""
    if isinstance(value, bool) and text in ("true", "false"):
        return text == "true"
    if isinstance(value, int) and not isinstance(value, bool) and text.lstrip("-").isdigit():
        return int(text)
    if isinstance(value, list):
        return text.replace(",", " ").split()
    return text
