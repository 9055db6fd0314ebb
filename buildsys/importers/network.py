"""Commands that want the network, by their names."""

from __future__ import annotations

import re

_PROGRAM = re.compile(
    r"(?:^|[\s;&|(/])(apk|apt-get|apt|curl|dnf|gem|git clone|microdnf|npm|pip[23]?|wget|yum|zypper)"
    r"(?=\s|$)(?!\s+(?:-\S+\s+)*clean\b)"
    r"|(?:^|[\s;&|(/])(rpm|[\w.-]+-plugin)(?=\s[^;&|]*\s(?:https?|ftp)://)",
    re.MULTILINE,
)


def wanting(command: str) -> str:
    """The program in a shell's command that would ask the network; empty: none that is known to."""
    match = _PROGRAM.search(command)
    return (match[1] or match[2]) if match else ""
