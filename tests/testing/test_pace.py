"""Limits count the time of a machine that has room: a busy one is waited for, what hangs still ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from buildsys.testing import pace
from buildsys.testing.pace import MOST, Pace, crowd
from buildsys.testing.podman import Podman


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What says how busy the machine is; one of two processors."""
    file = tmp_path / "loadavg"
    file.write_text("0.10 0.20 0.30 1/321 4711\n")
    monkeypatch.setattr(pace, "LOAD", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return file


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0.10 0.20 0.30 1/321 4711\n", 1.0),
        ("2.00 0.20 0.30 2/321 4711\n", 1.0),
        ("0.10 0.20 0.30 30/321 4711\n", 15.0),
        ("30.0 0.20 0.30 1/321 4711\n", 15.0),
        ("30000.0 0.20 0.30 1/321 4711\n", MOST),
        ("", 1.0),
        ("what is this", 1.0),
    ],
)
def test_how_many_want_each_processor(load: Path, text: str, wanted: float) -> None:
    load.write_text(text)
    assert crowd() == wanted
    load.unlink()
    assert crowd() == 1.0


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Podman:
    """A podman that sleeps as long as it is told."""
    program = tmp_path / "bin/podman"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor word; do :; done\nexec sleep "$word"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return Podman("", "buildsys-test-x", tmp_path)


@pytest.mark.usefixtures("load")
def test_a_machine_with_room_ends_what_takes_too_long(podman: Podman) -> None:
    said = podman.call("60", timeout=0.3)
    assert said.timed_out
    assert 0.3 <= said.seconds < 20


def test_a_busy_machine_is_waited_for(podman: Podman, load: Path) -> None:
    load.write_text("0.10 0.20 0.30 40/321 4711\n")
    said = podman.call("2", timeout=0.3)
    assert not said.timed_out
    assert said.status == 0


def test_what_hangs_ends_on_a_busy_machine_too(podman: Podman, load: Path) -> None:
    load.write_text("0.10 0.20 0.30 8/321 4711\n")
    said = podman.call("60", timeout=0.3)
    assert said.timed_out
    assert 1.2 <= said.seconds < 20


@pytest.mark.usefixtures("load")
def test_a_factor_lengthens_every_limit(podman: Podman) -> None:
    podman.pace = Pace(20.0)
    assert not podman.call("1", timeout=0.2).timed_out
    podman.pace = Pace(0.01)
    assert podman.call("60", timeout=60).timed_out


def test_the_clock_goes_on_from_where_it_was(load: Path) -> None:
    clock = Pace()
    time.sleep(0.05)
    first = clock.now()
    assert first >= 0.05
    load.write_text("0.10 0.20 0.30 20/321 4711\n")
    time.sleep(0.1)
    assert 0.01 <= clock.now() - first < 0.1
