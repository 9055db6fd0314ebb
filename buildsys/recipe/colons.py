"""Colons that YAML reads in another way than their writer: without a space, or within a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

_GLUED = re.compile(r"(\s*(?:- +)*)([a-z][a-z-]*):([^\s:/][^:]*)")
"""A key whose value follows without a space: text before the key, key, value."""
_PLAIN_VALUE = re.compile(r"(\s*(?:- +)*)([\w-]+): +([^\s\[{\"'|>&*!#].*: .*?)\s*")
"""A key, and an unquoted text with a colon and a space in it: text before the key, key, text."""


def misread_colon(
    lines: Sequence[str], at: int, column: int, *, suspect: int | None
) -> tuple[int, int, str, str] | None:
    """The mistake of a colon behind a syntax error at a line and column; None: it has another cause.

    `suspect`: a line that may lack the space behind the colon. All lines and columns begin at 0.

    Returns:
        Line and column of the key, the message, and the hint.
    """
    if suspect is not None and 0 <= suspect < len(lines) and (glued := _GLUED.fullmatch(lines[suspect])):
        message = "this is not YAML: a space belongs behind the colon"
        return suspect, len(glued[1]), message, f"write {glued[2]}: {glued[3]}"
    line = lines[at] if at < len(lines) else ""
    if (inner := _PLAIN_VALUE.fullmatch(line)) and line[column : column + 1] == ":":
        message = "this is not YAML: a text with a colon and a space in it is quoted"
        quoted = inner[3].replace("'", "''")
        return at, len(inner[1]), message, f"write {inner[2]}: '{quoted}'"
    return None
