"""tests/forked.py: a child of the tests behaves as a Python of its own does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked


@pytest.mark.parametrize(
    "words",
    [["--version"], ["list", "tiny"], ["list", "nothing"], ["lisst"], ["show", "tiny", "app", "--json"]],
    ids=" ".join,
)
def test_equal_answers(here: Path, environment: dict[str, str], words: list[str]) -> None:
    argv = [sys.executable, "-m", "buildsys", *words]
    wanted = subprocess.run(
        argv, cwd=here, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert forked.can_fork(environment)
    done = forked.run(words, here, environment)
    assert (done.returncode, done.stdout, done.stderr) == (wanted.returncode, wanted.stdout, wanted.stderr)


@pytest.mark.parametrize("variable", ["LANG", "LC_ALL", "PYTHONUTF8"])
def test_what_python_reads_at_its_start_is_not_for_a_fork(environment: dict[str, str], variable: str) -> None:
    assert not forked.can_fork({**environment, variable: "another"})
