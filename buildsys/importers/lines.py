"""Lines of YAML, each with the place that it comes from as a comment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildsys.diagnostics import Spot
from buildsys.recipe.written import is_template
from buildsys.recipe.yaml_text import flow

IMAGE = "\ue002"
"""Stands for the name of the image that a text is for."""


def listed(key: str, items: Mapping[str, Spot]) -> Iterator[str]:
    """A list, a line an item; without items nothing."""
    if items:
        yield key
        indent = " " * (len(key) - len(key.lstrip()) + 2)
        yield from (beside(f"{indent}- {said(item)}", spot) for item, spot in items.items())


def said(value: Any) -> str:
    """A value on one line, with nothing in it that would be filled in."""
    return flow(_plain(value))


def _plain(value: Any) -> Any:
    match value:
        case str():
            if is_template(value):
                value = value.replace("{{", "{{ '{{' }}").replace("{%", "{{ '{%' }}")
            return value.replace(IMAGE, "{{ image }}")
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def beside(text: str, spot: Spot) -> str:
    """A line, and behind it where it comes from."""
    return f"{text}  # {printable(spot.file)}:{spot.line}"


def printable(text: str) -> str:
    """A text as a comment holds it: on one line, whatever a file is called."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def step_lines(step: Mapping[str, Any], spot: Spot) -> Iterator[str]:
    """A step as an item of a list."""
    first, *others = [f"{name}: {said(value)}" for name, value in step.items()]
    yield beside(f"- {first}", spot)
    yield from (f"  {line}" for line in others)
