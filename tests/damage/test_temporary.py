"""Temporary files lie in folders of the run, and go with the next one, whoever is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from buildsys.temporary import PREFIX, Temporary, sweep
from tests.busybox import Ground
from tests.plan.sets import BASE, image
from tests.runtime.faked import does

pytestmark = pytest.mark.real

MOMENTS = 10
LARGE = "i=0; while [ $i -lt 60 ]; do cat /bin/busybox; i=$((i + 1)); done >/large"


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TMPDIR, in which no run leaves anything."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def _left(ground: Ground) -> list[str]:
    """What stands in the plan and in the store's run root that belongs to one run only."""
    found = [*(ground.plan / "state").glob("scratch.*"), *(ground.plan / "state").glob("working.*")]
    return sorted(str(path) for path in [*found, *ground.store.runroot.glob("buildsys.asking.*")])


def test_kill_9_at_random_moments(ground: Ground, outside: Path) -> None:
    seen: set[str] = set()
    moments = random.Random(7)  # noqa: S311 - when to kill
    for number in range(MOMENTS):
        made = [image("one", BASE, does(f"{LARGE}{number}")), image("two", "one", does(LARGE))]
        ground.compile(made)
        with subprocess.Popen(
            ["bash", str(ground.plan / "lib/run.sh")],
            env=ground.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as run:
            end = time.monotonic() + moments.uniform(0.1, 3)
            while time.monotonic() < end and run.poll() is None:
                seen.update(path.name for path in outside.iterdir())
                time.sleep(0.01)
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
    assert seen == set()
    done = ground.call("run.sh")
    assert done.returncode == 0, done.stderr
    assert _left(ground) == []
    assert ground.containers() == []
    assert list(outside.iterdir()) == []


def test_what_a_killed_question_left_goes_with_the_next(ground: Ground) -> None:
    left = ground.store.runroot / "buildsys.asking.XabcdE/root"
    left.mkdir(parents=True)
    ground.build([image("one", BASE)])
    assert _left(ground) == []


@pytest.fixture
def holder(outside: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has a folder of temporary files."""
    script = "from buildsys.temporary import TEMPORARY as t; t.begin(); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()
    assert outside.is_dir()


def test_the_folder_of_a_killed_process_goes_with_the_next(
    outside: Path, holder: subprocess.Popen[str]
) -> None:
    (there,) = outside.iterdir()
    (there / "large").write_text("x")
    sweep(outside)
    assert there.exists()
    holder.kill()
    holder.wait()
    own = Temporary()
    own.begin()
    assert [path.name.startswith(f"{PREFIX}{os.getpid()}-") for path in outside.iterdir()] == [True]
    assert os.environ["TMPDIR"] == str(next(outside.iterdir()))
    own.end()
    assert os.environ["TMPDIR"] == str(outside)
    assert list(outside.iterdir()) == []


def test_what_is_not_of_a_process_stays(outside: Path) -> None:
    (outside / "buildsys-mine").mkdir()
    (outside / "buildsys-12-file").touch()
    (outside / "buildsys-12-link").symlink_to(outside / "buildsys-mine")
    sweep(outside)
    assert len(list(outside.iterdir())) == 3
