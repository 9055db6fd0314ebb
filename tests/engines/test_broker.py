"""Launchers, the broker and an engine: what make's steps see of a slot elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildsys.engines import engine_of
from buildsys.engines.broker import serving
from buildsys.engines.engine import EngineLost, Step
from buildsys.engines.placement import Placement
from buildsys.engines.queue import Queue
from tests.engines.conftest import Here

pytestmark = pytest.mark.usefixtures("here")
NOTHING = Placement(Path("/nowhere"), {}, {})


class Launched(subprocess.Popen[bytes]):
    """A launcher; its end closes what it printed to."""

    def wait(self, timeout: float | None = None) -> int:
        status = super().wait(timeout)
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        return status


@contextmanager
def slots(count: int, placement: Placement = NOTHING) -> Iterator[tuple[str, Here]]:
    engine = engine_of(f"here={count}", "overlay", {})
    assert isinstance(engine, Here)
    with serving(engine, placement) as (command, workers):
        assert len(workers) == count
        yield command, engine


def launch(command: str, text: str, image: str = "nova", avoid: str = "") -> Launched:
    """One launcher, as lib/launch.sh starts it: the text is what `bash -s` reads."""
    running = Launched(
        [*shlex.split(command), "bash", "-s"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "BS_IMAGE": image, "BS_AVOID": avoid},
    )  # fmt: skip
    assert running.stdin is not None
    running.stdin.write(text.encode())
    running.stdin.close()
    running.stdin = None
    return running


def test_output_streams_and_the_status_comes_back() -> None:
    with slots(1) as (command, _):
        running = launch(command, "echo one; echo two >&2; sleep 0.5; echo three; exit 75\n")
        began = time.monotonic()
        assert running.stdout is not None
        assert running.stdout.readline() == b"one\n"
        assert time.monotonic() - began < 0.45
        assert running.communicate() == (b"three\n", b"two\n")
        assert running.returncode == 75


def test_large_requests_and_answers_arrive_whole() -> None:
    with slots(1) as (command, _):
        rest = "x" * 3_000_000
        out, _err = launch(command, f"cat | sha256sum; head -c 5000000 /dev/zero\n{rest}").communicate()
        assert len(out) == 5_000_000 + 68
        assert out[:64].decode() == subprocess.run(
            ["sha256sum"], input=rest.encode(), capture_output=True, check=True
        ).stdout[:64].decode()  # fmt: skip


def test_a_launcher_that_ends_takes_its_step_along(tmp_path: Path) -> None:
    with slots(1) as (command, engine):
        running = launch(command, f"sleep 300 & echo $! >{tmp_path}/pid; wait\n")
        wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        running.send_signal(signal.SIGTERM)
        running.communicate()
        wait_for(lambda: engine.ended == ["nova"])
        assert not is_alive(int((tmp_path / "pid").read_text()))
        assert launch(command, "exit 4\n").wait() == 4


def test_the_end_of_a_run_ends_its_steps(tmp_path: Path) -> None:
    with slots(1) as (command, _):
        running = launch(command, f"echo $$ >{tmp_path}/pid; exec sleep 300\n")
        wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        waiting = launch(command, "exit 0\n", "never")
    assert running.wait(5) == 69
    assert waiting.wait(5) in {69, 78}
    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert launch(command, "exit 0\n").wait() == 69


def test_a_lost_worker_is_named_and_has_its_own_status() -> None:
    with slots(1) as (command, _):
        running = launch(command, "kill -KILL $$\n")
        assert running.communicate() == (b"", b"nova: the worker w0 is gone\n")
        assert running.returncode == 69


def test_the_longest_chain_begins_first_and_avoids_workers(tmp_path: Path) -> None:
    left = {"short": 1.0, "middle": 2.0, "long": 3.0}
    with slots(1, Placement(tmp_path, {}, left)) as (command, engine):
        first = launch(command, "sleep 1.5\n", "first")
        wait_for(lambda: bool(engine.begun))
        rest = [launch(command, "exit 0\n", name) for name in ("short", "long", "middle")]
        assert [one.wait() for one in [first, *rest]] == [0] * 4
        assert [image for image, _ in engine.begun] == ["first", "long", "middle", "short"]
    with slots(2) as (command, engine):
        for avoid, place in (("w0", "w1"), ("w1", "w0"), ("w0 w1", "w0")):
            assert launch(command, "exit 0\n", avoid=avoid).wait() == 0
            assert engine.begun[-1] == ("nova", place)


def test_children_go_where_large_parents_lie(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    needs = {"child": ("base", "tools"), "other": ("small",), "alone": ()}
    for name, worker, sent in (("base", "w1", 200 << 20), ("tools", "w0", 130 << 20), ("small", "w1", 5)):
        result = {"image": name, "worker": worker, "sent": sent, "received": 0}
        (tmp_path / f"results/{name}.json").write_text(json.dumps(result))
    placement = Placement(tmp_path, needs, {})
    assert [placement.prefer(name) for name in needs] == ["w1", "", ""]
    with slots(2, placement) as (command, engine):
        assert launch(command, "exit 0\n", "child").wait() == 0
        assert launch(command, "exit 0\n", "other").wait() == 0
        assert engine.begun == [("child", "w1"), ("other", "w0")]


def test_nothing_begins_after_the_engine_is_gone() -> None:
    async def run() -> None:
        queue = Queue()
        step = Step("nova", "nova-1", (), b"")

        async def take() -> None:
            async with queue.slot(step):
                pass

        waiting = asyncio.ensure_future(take())
        await asyncio.sleep(0)
        queue.fail(EngineLost("gone"))
        for attempt in (waiting, take()):
            with pytest.raises(EngineLost, match="gone"):
                await attempt

    asyncio.run(run())


def wait_for(condition: object, seconds: float = 5.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
