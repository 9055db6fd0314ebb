"""Write lines of YAML; a comment on each names the place that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildsys.diagnostics import Spot
from buildsys.recipe.document import is_template
from buildsys.recipe.yaml_text import flow

IMAGE = "\ue002"
"""Placeholder for the name of the image that a text is for."""


def list_lines(key: str, items: Mapping[str, Spot]) -> Iterator[str]:
    """Yield a list, one line for each item; nothing without items."""
    if items:
        yield key
        indent = " " * (len(key) - len(key.lstrip()) + 2)
        yield from (with_place(f"{indent}- {value_text(item)}", spot) for item, spot in items.items())


def value_text(value: Any) -> str:
    """Return a value on one line; template marks in it are escaped."""
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


def with_place(text: str, spot: Spot) -> str:
    """Return a line with its place as a comment."""
    return f"{text}  # {comment_text(spot.file)}:{spot.line}"


def comment_text(text: str) -> str:
    """Return a text for a comment: unprintable characters, such as line breaks in file names, become `?`."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def step_lines(step: Mapping[str, Any], spot: Spot) -> Iterator[str]:
    """Yield a step as an item of a list."""
    first, *others = [f"{name}: {value_text(value)}" for name, value in step.items()]
    yield with_place(f"- {first}", spot)
    yield from (f"  {line}" for line in others)
