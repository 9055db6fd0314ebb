"""What starting costs: a verb imports only the libraries it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Fake, Run

HEAVY = {"pydantic", "yaml", "jinja2", "networkx", "sh", "rich"}
"""toposort, which orders each build, is one module without imports of its own: less than a millisecond."""


def imported(said: str) -> set[str]:
    """The libraries of HEAVY among what `-X importtime` wrote to stderr."""
    names = re.findall(r"^import time:[^|]*\|[^|]*\| +(\S+)", said, re.MULTILINE)
    return HEAVY & {name.split(".")[0] for name in names}


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["build", "--help"], ["nonsense"]])
def test_the_command_line_itself_imports_no_library_but_click(buildsys: Run, words: list[str]) -> None:
    done = buildsys(*words, python=("-X", "importtime"))
    assert "click" in done.stderr
    assert imported(done.stderr) == set()


def test_a_build_imports_what_compiling_needs_and_starts_no_program_to_ask_versions(
    buildsys: Run, fake_bash: Path, fake: Fake, here: Path
) -> None:
    asked = here / "asked"
    fake("buildah", f"echo >>{asked}", "echo buildah version 1.30.0")
    first = buildsys("build", "tiny")
    assert (first.returncode, first.stderr) == (0, "")
    assert asked.read_text() == "\n"

    second = buildsys("build", "tiny", python=("-X", "importtime"))
    assert second.returncode == 0
    assert imported(second.stderr) == {"pydantic", "yaml"}
    assert asked.read_text() == "\n"
    assert fake_bash.read_text().splitlines()[0] == "build/tiny/lib/run.sh"


def test_looking_at_a_set_needs_rich_only_for_a_terminal_or_a_tree(buildsys: Run) -> None:
    for words in ("list tiny", "show tiny app", "check tiny", "graph --format=dot tiny"):
        done = buildsys(*words.split(), python=("-X", "importtime"))
        assert done.returncode == 0, done.stderr
        assert imported(done.stderr) == {"pydantic", "yaml"}, words
