"""Completion in real shells, and man pages as their readers see them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from buildsys.cli import completion, verbs
from tests.conftest import ROOT

ASK = "source ./completion; COMP_WORDS=(buildsys $1); COMP_CWORD=$2; _buildsys_completion buildsys; "
BASH = ("bash", "-c", f"{ASK} echo ${{COMPREPLY[@]}}", "bash")
"""A bash that completes the words of its first argument; the second is the number of the word."""

ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=PROMPT; autoload -U compinit; compinit -D -u; source ./completion; print READ''Y'
zpty -m -r shell line '*READY*PROMPT*' || exit 1
zpty -n -w shell "$1"$'\t'
zpty -m -r shell line "*$2*"
zpty -d shell
"""
"""A zsh with a terminal, in which a person types and presses Tab."""


@pytest.fixture
def here(here: Path) -> Path:
    """A working directory with ./recipes/tiny, and the command on PATH."""
    path = here / "bin/buildsys"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m buildsys "$@"\n')
    path.chmod(0o755)
    return here


def ask(here: Path, shell: str, *words: str) -> str:
    """What a shell prints that has the completion in ./completion."""
    printed = subprocess.run(
        [sys.executable, "-m", "buildsys", "completion", shell], capture_output=True, text=True, check=True
    )
    (here / "completion").write_text(printed.stdout)
    environment = {
        **os.environ,
        "PATH": f"{here}/bin:{os.environ['PATH']}",
        "HOME": str(here),
        "TERM": "dumb",
    }
    done = subprocess.run(
        words, cwd=here, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bash(here: Path) -> None:
    assert ask(here, "bash", *BASH, "per", "1") == "periodic\n"
    assert ask(here, "bash", *BASH, "build ti", "2") == "tiny\n"
    assert ask(here, "bash", *BASH, "build tiny si", "3") == "side-door\n"
    assert ask(here, "bash", *BASH, "build tiny --site f", "4") == "far\n"


def test_fish(here: Path) -> None:
    text = "source ./completion; complete -C 'buildsys per'; complete -C 'buildsys build ti'"
    verb, found = ask(here, "fish", "fish", "-c", text).splitlines()
    assert verb.split("\t")[0] == "periodic"
    assert found.split("\t")[0] == "tiny"


@pytest.mark.parametrize(
    ("typed", "whole"), [("buildsys per", "periodic"), ("buildsys build ti", "build tiny")]
)
def test_zsh(typed: str, whole: str, here: Path) -> None:
    """What is not completed ends by the time limit of `ask`."""
    ask(here, "zsh", "zsh", "-f", "-c", ZSH, "zsh", typed, whole)


def test_a_completion_with_a_broken_configuration_is_silent(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".config/buildsys").mkdir(parents=True)
    (here / ".config/buildsys/config.toml").write_text("broken\n")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert ask(here, "bash", *BASH, "build ti", "2") == "\n"


def test_packages_install_what_the_verb_prints(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(ROOT / "tools/completions.py"), str(tmp_path)], cwd=ROOT, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    scripts = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    names = {"bash": "buildsys", "zsh": "_buildsys", "fish": "buildsys.fish"}
    assert scripts == {name: completion.script(verbs, shell) for shell, name in names.items()}


def test_man_pages_render_without_a_warning(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(ROOT / "tools/man_pages.py"), str(tmp_path)], cwd=ROOT, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    pages = sorted(tmp_path.iterdir())
    assert {"buildsys.1", "buildsys-build.1", "buildsys-import-tcib.1"} <= {page.name for page in pages}
    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True, check=False
    )
    assert (lint.returncode, lint.stdout) == (0, "")
    assert shutil.which("groff")
    for page in pages:
        shown = subprocess.run(
            ["groff", "-ww", "-man", "-Tascii", str(page)], capture_output=True, text=True, check=True
        )
        assert shown.stderr == ""
