"""Hints are tried: a hint that gives what to write is followed, and the mistake at that place must be gone.

A hint is followed where it is a value (`quote it: "5"`), a key with its value (`write epoch: 1767225600`) or
the word that was meant (`did you mean 'base'?`). Other hints are advice for people.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from buildsys import diagnostics
from buildsys.diagnostics import Diagnostic, Refused
from tests.errors.test_errors import CASES, HERE, check, prepare

_VALUE = r"""\{[^}…]*\}|\[[^]…]*\]|"[^"]*"|'(?:[^']|'')*'|[^\s,;…\[{"']+"""
KEY = re.compile(rf"write (?P<key>[a-z][a-z-]*): (?P<value>{_VALUE})(?:,? .*)?")
VALUE = re.compile(
    r"(?:(?:write (?:true|false), or )?quote it(?: if it is text)?: |leave the quotes out: )"
    rf"(?P<value>{_VALUE})|write (?P<written>\[[^]…]*\]|\{{[^}}…]*\}}|/\S+|[0-9]+s)"
)
WORD = re.compile(r"(?:did you mean|perhaps) '(?P<word>[^']+)'\??|write (?P<other>/[^ …]*)")
LEAST = 80
"""Hints of the golden cases that are followed, at least: fewer mean that a pattern here is out of date."""


def problems(folder: Path) -> tuple[Diagnostic, ...]:
    """What the set of a case is refused for."""
    diagnostics._lines.cache_clear()
    try:
        check(command(folder))
    except Refused as refused:
        return refused.diagnostics
    return ()


def command(folder: Path) -> str:
    file = folder / "command"
    return file.read_text() if file.exists() else "check demo"


def followed(found: Diagnostic) -> str | None:
    """The text of the file after its hint is followed; None: the hint is advice."""
    path = Path(found.spot.file)
    if not path.is_file() or found.hint.count("…"):
        return None
    text = path.read_text("utf-8", errors="replace")
    lines = text.splitlines(keepends=True)
    line = lines[found.spot.line - 1] if found.spot.line <= len(lines) else ""
    start = sum(map(len, lines[: found.spot.line - 1])) + found.spot.column - 1
    if match := KEY.fullmatch(found.hint):
        whole = f"{match['key']}: {match['value']}"
        if match["key"] + ":" in line:
            at = start - found.spot.column + 1 + line.index(match["key"] + ":")
            return text[:at] + whole + text[at + len(text[at:].partition("\n")[0]) :]
        return f"{text.rstrip()}\n{whole}\n"
    if match := VALUE.fullmatch(found.hint):
        end = value_end(text, found)
        return text[:start] + (match["value"] or match["written"]) + text[end:] if end else None
    if match := WORD.fullmatch(found.hint):
        word = re.match(r"""["']?[^\s:,"'\]})]+["']?""", text[start:])
        return text[:start] + (match["word"] or match["other"]) + text[start + word.end() :] if word else None
    return None


def value_end(text: str, found: Diagnostic) -> int:
    """The end of the value at a Spot; 0: there is none."""
    top = yaml.compose(text)
    for node in nodes(top) if top else ():
        mark = node.start_mark
        if (mark.line + 1, mark.column + 1) == (found.spot.line, found.spot.column):
            return int(node.end_mark.index)
    return 0


def nodes(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (*nodes(key), *nodes(value))
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from nodes(item)
    yield node


def alike(found: Diagnostic, all_found: tuple[Diagnostic, ...]) -> int:
    """How often the file has this mistake."""
    return sum((item.spot.file, item.message) == (found.spot.file, found.message) for item in all_found)


@pytest.mark.parametrize("case", CASES)
def test_a_hint_that_is_followed_makes_the_mistake_go_away(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fresh(name: str) -> None:
        folder = tmp_path / name
        shutil.copytree(HERE / "any-set", folder)
        shutil.copytree(HERE / case, folder, dirs_exist_ok=True, symlinks=True)
        monkeypatch.chdir(folder)
        prepare(Path("prepare"))

    fresh("before")
    before = problems(tmp_path / "before")
    for number, found in enumerate(before):
        fresh(str(number))
        text = followed(found)
        if text is None:
            continue
        Path(found.spot.file).write_text(text, "utf-8")
        after = problems(Path())
        new = [item.text() for item in after if item.spot == found.spot and item not in before]
        assert not new, f"{found.text()}\n\nafter the hint was followed:\n\n" + "\n".join(new)
        assert alike(found, after) < alike(found, before), found.text()


def test_enough_hints_can_be_followed() -> None:
    texts = [(HERE / case / "expected.txt").read_text("utf-8") for case in CASES]
    hints = re.findall(r"^  hint: (.*)$", "\n".join(texts), re.MULTILINE)
    followable = [hint for hint in hints if any(form.fullmatch(hint) for form in (KEY, VALUE, WORD))]
    assert len(followable) >= LEAST, hints
