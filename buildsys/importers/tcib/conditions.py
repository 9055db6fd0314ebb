"""Replace shell conditions with known operands by the branch that they take."""

from __future__ import annotations

import re

MACHINE = "x86_64"
"""The output of `uname -m` on the platform of the images."""
_UNAME = re.compile(r"\"?(?:\$\(uname -m\)|`uname -m`)\"?")
_WORD = r"(?:'[^']*'|\"[^\"$`\\]*\"|[\w./:-]+)"
_TEST = re.compile(rf"\[\[?\s+(?P<one>{_WORD})\s+(?P<sign>==?|!=)\s+(?P<other>{_WORD})\s+\]\]?")
_TOKEN = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|(?<![\w./-])(?:if|fi|then|else|elif)(?![\w./-])")


def settle(text: str, machine: str = MACHINE) -> tuple[str, bool]:
    """Return the text without known conditions, and whether one of them asks for the machine.

    What comes to nothing is `true`.
    """
    asked = False
    position = 0
    while (found := _condition(text, position)) is not None:
        begin, then, end = found
        test = text[begin + 2 : then].rstrip().removesuffix(";")
        known = _UNAME.sub(machine, test)
        answer = _answer(known)
        if answer is None:
            position = begin + 2
            continue
        asked = asked or known != test
        body = text[then + 4 : end].strip().removesuffix(";").rstrip()
        rest = text[end + 2 :].lstrip()
        rest = rest.removeprefix(";").lstrip() if begin == 0 else text[end + 2 :]
        position = begin
        text = (
            text[:begin]
            + (body if answer else "true")
            + (f"; {rest}" if begin == 0 and rest and rest[0] != "&" else rest)
        )
    return text.strip(), asked


def _condition(text: str, position: int) -> tuple[int, int, int] | None:
    """Find the next `if`, its `then` and its `fi`; None for one with an `else`."""
    while True:
        begin, then, depth, other = -1, -1, 0, False
        for match in _TOKEN.finditer(text, position):
            match match[0]:
                case "if":
                    depth += 1
                    begin = match.start() if begin < 0 else begin
                case "then" if depth == 1 and then < 0:
                    then = match.start()
                case "else" | "elif" if depth == 1:
                    other = True
                case "fi" if depth:
                    depth -= 1
                    if depth == 0:
                        if then < 0 or other:
                            position = begin + 2
                            break
                        return begin, then, match.start()
                case _:
                    pass
        else:
            return None


def _answer(test: str) -> bool | None:
    """Evaluate tests joined by `&&`; None if unknown."""
    answers: list[bool] = []
    for piece in test.split("&&"):
        match = _TEST.fullmatch(piece.strip())
        if match is None:
            return None
        one, other = (match[side].strip("'\"") for side in ("one", "other"))
        answers.append((one == other) == (match["sign"] != "!="))
    return all(answers)
