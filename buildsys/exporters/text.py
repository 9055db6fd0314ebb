"""YAML and JSON for people, written so that every parser reads the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(
    r"(?:[A-Za-z_][A-Za-z0-9_./+-]*|[a-z0-9.-]*[a-z][a-z0-9.-]*/[a-z0-9._/-]*[a-z])(?:::?[A-Za-z][A-Za-z0-9._-]*)*"
)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def scalar(value: Any) -> str:
    """A YAML scalar in one line; a text that some parser takes for another type is quoted."""
    if not isinstance(value, str):
        return json.dumps(value)
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value)


def yaml(value: Any, comment: str = "") -> str:
    """A YAML document in block style, below a comment."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + "".join(f"{line}\n" for line in _block(value, ""))


def _block(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(f"{indent}{scalar(key)}:", item, indent + "  ")
    else:
        for item in value:
            lines = list(_block(item, indent + "  ")) if _nested(item) else [f"{indent}  {_leaf(item)}"]
            yield f"{indent}- {lines[0][len(indent) + 2 :]}"
            yield from lines[1:]


def _entry(key: str, item: Any, indent: str) -> Iterator[str]:
    if _nested(item):
        yield key
        yield from _block(item, indent)
    else:
        yield f"{key} {_leaf(item)}"


def _nested(value: Any) -> bool:
    return bool(value) and isinstance(value, Mapping | Sequence) and not isinstance(value, str)


def _leaf(value: Any) -> str:
    return json.dumps(value) if isinstance(value, Mapping | list | tuple) else scalar(value)


def as_json(value: Any) -> str:
    """A JSON document."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
