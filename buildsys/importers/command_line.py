"""Split the text of a shell into its commands and words, as far as they are known without a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

_PROGRAM = re.compile(
    r"(?:^|[\s;&|(/])(apk|apt-get|apt|curl|dnf|gem|git clone|microdnf|npm|pip[23]?|wget|yum|zypper)"
    r"(?=\s|$)(?!\s+(?:-\S+\s+)*clean\b)"
    r"|(?:^|[\s;&|(/])(rpm|[\w.-]+-plugin)(?=\s[^;&|]*\s(?:https?|ftp)://)",
    re.MULTILINE,
)


def network_program(command: str) -> str:
    """Return the program in a shell command that needs the network; empty if no known one is there."""
    match = _PROGRAM.search(command)
    return (match[1] or match[2]) if match else ""


def split_commands(text: str) -> list[str]:
    """Split a text at its `&&` into commands; a text with any other control operator stays whole.

    Where a shell ends with the first command that fails, `;` and the end of a line do the same.
    """
    ends = bool(_ENDS_EARLY.match(text)) and not _CONTROLS.search(text)
    pieces: list[str] = []
    begun, depth, quote = 0, 0, ""
    position = 0
    while position < len(text):
        sign = text[position]
        if sign == "\\" and quote != "'":
            position += 2
            continue
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"`":
            quote = sign
        elif sign in "({":
            depth += 1
        elif sign in ")}":
            depth -= 1
        elif depth == 0:
            if text.startswith("&&", position):
                pieces.append(text[begun:position].strip())
                position += 2
                begun = position
                continue
            if sign in ";\n" and ends:
                pieces.append(text[begun:position].strip())
                begun = position + 1
            elif sign in ";\n" or text.startswith("||", position) or _is_background(text, position):
                return [text]
        position += 1
    pieces.append(text[begun:].strip())
    if ends and not pieces[-1]:
        pieces.pop()
    return [text] if quote or depth or not all(pieces) or _CONTROL.match(text) else pieces


_ENDS_EARLY = re.compile(r"\s*set\s+-[a-z]*e[a-z]*(?:\s+-o\s+pipefail)?\s*(?:;|&&|\n)")
_CONTROLS = re.compile(
    r"(?<![\w./-])(?:if|for|while|until|case|function|do|done|then|fi|esac)(?![\w./-])|\{\s|<<"
)
_CONTROL = re.compile(r"\s*(?:if|for|while|until|case|function)\s")


def _is_background(text: str, position: int) -> bool:
    return text[position] == "&" and "&" not in text[position + 1 : position + 2] and not (
        position and text[position - 1] in "<>&"
    ) and text[position + 1 : position + 2] != ">"  # fmt: skip


def split_pipe(piece: str) -> tuple[str, str, str]:
    """Split at the first pipe: the command, `|`, and the commands that read its output."""
    quote = ""
    for position, sign in enumerate(piece):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"`":
            quote = sign
        elif sign == "|" and "|" not in piece[position + 1 : position + 2]:
            return piece[:position], "|", piece[position + 1 :]
    return piece, "", ""


def known_words(piece: str, variables: Mapping[str, str]) -> list[str] | None:
    """Return the words of a plain command, with known variables filled in; None if only a shell can tell."""

    def value(match: re.Match[str]) -> str:
        return variables.get(match[1] or match[2], match[0])

    if "'" not in piece:
        piece = re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, piece)
    if "$" in piece or "`" in piece or "<" in _QUOTED.sub("", piece):
        return None
    try:
        return [text for text in shlex.split(piece) if text not in _NOWHERE] or None
    except ValueError:
        return None


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NOWHERE = {">/dev/null", "1>/dev/null", "2>/dev/null", "2>&1", "&>/dev/null"}
