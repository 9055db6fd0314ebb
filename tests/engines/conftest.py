"""A third engine, of one file: steps run on this machine. It shows that the interface is enough for one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pytest

from buildsys import engines, programs
from buildsys.engines.engine import EngineLost, Put, Slots, Step, WorkerLost
from buildsys.engines.queue import Queue


class Here:
    """An engine whose workers are names on this machine: `here=2` has two, of one slot each."""

    def __init__(self, value: str, driver: str, environment: Mapping[str, str]) -> None:  # noqa: ARG002
        self._count = int(value)
        self._queue = Queue()
        self.begun: list[tuple[str, str]] = []
        self.ended: list[str] = []

    async def start(self) -> None:
        self._queue.update({f"w{i}": (f"w{i}", 1) for i in range(self._count)})

    async def slots(self) -> Sequence[Slots]:
        return self._queue.workers()

    async def submit(self, step: Step, put: Put) -> int:
        async with self._queue.slot(step) as worker:
            self.begun.append((step.image, worker.name))
            environment = {**os.environ, "BS_WORKER": worker.name}
            try:
                status = await programs.converse(step.argv, environment, step.stdin, put)
            finally:
                self.ended.append(step.image)
            if status == -9:
                raise WorkerLost(f"the worker {worker.name} is gone")
            return status

    async def stop(self) -> None:
        self._queue.fail(EngineLost("stopped"))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the engine, by its one line."""
    monkeypatch.setitem(engines.ENGINES, "here", f"{__name__}:Here")
