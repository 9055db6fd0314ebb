"""A value on one line of YAML, that every reader reads back alike."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from buildsys.image import PackageName

_PLAIN = re.compile(r"(?:--?(?=[A-Za-z]))?[A-Za-z/_$][A-Za-z0-9/_.@$%+=~^-]*(?::[A-Za-z0-9/_.@$%+=~^-]+)*")
"""Unquoted texts that every reader of YAML takes for text."""
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"}


def flow(value: Any) -> str:
    """A value on one line of YAML."""
    match value:
        case bool() | int():
            return json.dumps(value)
        case str():
            plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
            return value if plain else _quoted(value)
        case PackageName():
            return flow(value.name)
        case Mapping():
            return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
        case Sequence():
            return f"[{', '.join(map(flow, value))}]"
        case _:
            raise TypeError(value)


def _quoted(text: str) -> str:
    # As in JSON, but YAML takes fewer characters as they are, and has its own escape for the far ones.
    signs = json.dumps(text, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in signs)
