"""A small image set, the command line as a process, and programs that are not what they seem."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
Fake = Callable[..., Path]

SET = {
    "set.yaml": """\
set: tiny
namespace: test
prefix: t-
tag: "1"
format: oci
epoch: 1500000000
site: far
variables:
  colour: {default: red, choices: [red, blue]}
common:
  labels: {name: "{{ image }}"}
profiles:
  front: [app, "side-*"]
""",
    "sites/far.yaml": """\
site: far
base: {image: "registry.example/base:1"}
installer: dnf
""",
    "images/base.yaml": """\
image: base
from: site
packages: [tree]
""",
    "images/app.yaml": """\
image: app
from: base
steps:
  - copy: /srv/page
    from: side-door
    to: /srv/page
  - chmod: /srv/page
    mode: "644"
user: nobody
cmd: [serve, --colour, "{{ colour }}"]
env: {PAGE: "yes"}
""",
    "images/side-door.yaml": """\
image: side-door
from: base
steps:
  - touch: /srv/page
""",
    "images/alone.yaml": """\
image: alone
from: site
""",
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A working directory with ./recipes/tiny."""
    for name, text in SET.items():
        path = tmp_path / "recipes" / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Ours, without what would change the outcome; programs of tests come first on PATH."""
    away = {"NO_COLOR", "COLUMNS", "BS_STORE", "BS_FORCE", "JOBS", "MAKE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    kept = {name: value for name, value in os.environ.items() if name not in away}
    return {**kept, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture
def buildsys(here: Path, environment: dict[str, str]) -> Run:
    """Run `python -m buildsys` there, in a child of this process where that makes no difference."""

    def run(
        *words: str,
        env: Mapping[str, str] | None = None,
        python: tuple[str, ...] = (),
        cwd: Path = here,
        fds: tuple[int, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        whole = {**environment, **(env or {})}
        return subprocess.run(
            [sys.executable, *python, "-m", "buildsys", *words],
            env=whole,
            cwd=cwd,
            check=False,
            capture_output=True,
            text=True,
            pass_fds=fds,
        )

    return run


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Put a program on PATH, before all others: lines of POSIX shell."""

    def put(name: str, *lines: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(0o755)
        return path

    return put


@pytest.fixture
def fake_bash(fake: Fake, tmp_path: Path) -> Path:
    """A bash that runs no plan, but writes down how it was called; returns the file it writes."""
    record = tmp_path / "called"
    fake(
        "bash",
        'if [ "$1" = --version ]; then echo "GNU bash, version 5.2.15(1)-release"; exit; fi',
        f'{{ printf "%s\\n" "$@"; env | sort; }} >{record}',
        "exit ${FAKE_STATUS:-0}",
    )
    return record
