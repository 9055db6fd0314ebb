"""One spelling for values with several spellings, so that another spelling rebuilds nothing.

A text of another form comes back as it is; `buildsys.recipe.schema.types` has refused it.
"""

from __future__ import annotations

import re

_PORT = re.compile(r"0*([0-9]+)(?:-0*([0-9]+))?(/[a-z]+)?")
_SIGNAL = re.compile(r"(?:SIG)?([A-Z].*)")


def port(text: str) -> str:
    """`80` is `80/tcp`, and so is `80-80`."""
    match = _PORT.fullmatch(text)
    if not match:
        return text
    first, last, protocol = match.groups()
    return f"{first}{f'-{last}' if last not in {None, first} else ''}{protocol or '/tcp'}"


def signal(text: str) -> str:
    """`TERM` is `SIGTERM`."""
    match = _SIGNAL.fullmatch(text)
    return f"SIG{match[1]}" if match else text


def mode(text: str) -> str:
    """To chmod `0755` is `755`."""
    return text.removeprefix("0") if len(text) == len("0755") and text.isdigit() else text


def path(text: str) -> str:
    """`//srv/./www/` is `/srv/www`: of a directory, where no slash at its end has a meaning."""
    if not text.startswith("/"):
        return text
    return "/" + "/".join(part for part in text.split("/") if part not in {"", "."})


def script(text: str) -> str:
    """Lines for a shell, without the empty ones at their end that a block scalar brings."""
    return text.rstrip("\n")
