"""What tests leave of their stores and programs: nothing, whatever they did."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import programs, stores
from tests.guard.machine import mounted_below

pytestmark = pytest.mark.real


@contextmanager
def holder(place: Path, seconds: float) -> Iterator[None]:
    """A mount below a folder, of what is not the folder's, and a program that works in it for a while."""
    (place / "root/overlay").mkdir(parents=True)
    (place.parent / "mine").mkdir()
    (place.parent / "mine/file").touch()
    subprocess.run(["mount", "--bind", place.parent / "mine", place / "root/overlay"], check=True)
    with subprocess.Popen(["sleep", str(seconds)], cwd=place / "root/overlay") as working:
        try:
            yield
        finally:
            working.kill()


@pytest.mark.parametrize("name", ["plain", "with space", "bs-#", "back\\slash"])
def test_a_store_that_is_in_use_for_a_moment_is_waited_for(tmp_path: Path, name: str) -> None:
    with stores.store(tmp_path / name) as made, holder(made.place, 0.5):
        pass
    assert mounted_below(tmp_path) == []
    assert not (tmp_path / name).exists()
    assert (tmp_path / "mine/file").exists()


def test_a_store_that_stays_in_use_is_named_and_what_is_mounted_in_it_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PATIENCE", 0.2)
    place = tmp_path / "store"
    with holder(place, 60):
        with pytest.raises(AssertionError, match=r"still in use at the end of a test: .*/root/overlay"):
            stores.unmount(place)
        assert mounted_below(tmp_path) == []
    assert (tmp_path / "mine/file").exists()


def test_a_program_that_is_deaf_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "PATIENCE", 0.2)
    deaf = "trap '' TERM INT; echo begun; while :; do sleep 0.1; done"
    with programs.started(["sh", "-c", deaf], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "begun\n"
    assert run.returncode == -signal.SIGKILL


def test_a_program_that_ends_by_itself_is_left_alone() -> None:
    with programs.started(["sleep", "0.2"]) as run:
        began = time.monotonic()
        assert run.wait() == 0
    assert time.monotonic() - began < programs.PATIENCE
