"""The units for systemd and the target of make: what they call, and what they take for success."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from buildsys.cli.output import CHANGED
from tests.conftest import ROOT

UNITS = ROOT / "packaging/systemd"
SERVICE, TIMER = "buildsys-periodic@.service", "buildsys-periodic@.timer"
PAGE = (ROOT / "docs/how-to/build-periodically.md").read_text()


def unit(name: str) -> configparser.ConfigParser:
    """A unit, read as systemd reads it: a key once a section, no interpolation."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((UNITS / name).read_text(), name)
    return parser


def test_the_service_calls_the_verb_and_knows_its_status() -> None:
    service = unit(SERVICE)["Service"]
    clone = service["WorkingDirectory"]
    assert service["ExecStart"] == f"{clone}/.venv/bin/buildsys periodic %i $OPTIONS"
    assert service["SuccessExitStatus"] == str(CHANGED)
    assert service["Type"] == "oneshot"
    # A set's name has dashes, which %I would take for slashes.
    assert not re.search("%I", (UNITS / SERVICE).read_text())


def test_the_timer_starts_the_service_of_its_name_and_can_be_enabled() -> None:
    timer = unit(TIMER)
    assert "Unit" not in timer["Timer"]
    assert TIMER.removesuffix(".timer") == SERVICE.removesuffix(".service")
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_systemd_takes_them(tmp_path: Path) -> None:
    """The path of the clone is that of this one, so that the program is found."""
    clone = unit(SERVICE)["Service"]["WorkingDirectory"]
    (tmp_path / ".venv/bin").mkdir(parents=True)
    program = tmp_path / ".venv/bin/buildsys"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in (SERVICE, TIMER):
        text = (UNITS / name).read_text()
        (tmp_path / name.replace("@", "@stable-pike")).write_text(text.replace(clone, str(tmp_path)))
    analyze = shutil.which("systemd-analyze")
    if analyze is None:  # a container has none; what the other tests hold is held there, too
        return
    units = sorted(str(path) for path in tmp_path.glob("buildsys-periodic@*"))
    done = subprocess.run(
        [analyze, "--man=no", "verify", *units], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_says_what_the_units_say() -> None:
    service = unit(SERVICE)["Service"]
    assert f"`SuccessExitStatus={service['SuccessExitStatus']}`" in PAGE
    assert f"put the clone at `{service['WorkingDirectory']}`" in PAGE
    assert "# /etc/buildsys/stable-pike.conf\nOPTIONS=" in PAGE
    assert service["EnvironmentFile"] == "-/etc/buildsys/%i.conf"
    assert f"| {CHANGED} | something had changed" in PAGE


@pytest.mark.parametrize(("status", "end"), [(0, 0), (CHANGED, 0), (1, 2), (2, 2)])
def test_make_is_content_when_the_set_is_up_to_date(tmp_path: Path, status: int, end: int) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "recipes/demo").mkdir(parents=True)
    (tmp_path / "recipes/demo/set.yaml").write_text("set: demo\n")
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv/set-up-for-build").write_text(f"{tmp_path}\n")
    (tmp_path / ".venv/bin/python").symlink_to(shutil.which("true") or "/bin/true")
    program = tmp_path / ".venv/bin/buildsys"
    program.write_text(f'#!/bin/sh\necho "$@" >called\nexit {status}\n')
    program.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    words = ["make", "periodic-demo", "SITE=far", "JOBS=3", "OVERLAY=a.yaml"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == end, done.stderr
    assert (tmp_path / "called").read_text() == "periodic demo --site far --overlay a.yaml --jobs 3\n"
