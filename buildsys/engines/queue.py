"""Which waiting step gets which free slot: the longest chain first, near its parent or else anywhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from buildsys.engines.engine import EngineLost, Slots, Step


@dataclass(slots=True)
class Worker:
    """A connected worker."""

    address: str
    name: str
    count: int
    busy: int = 0


class Queue:
    """Steps that wait for slots, for engines that only carry commands; used in one asyncio loop."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._waiting: list[tuple[Step, asyncio.Future[Worker]]] = []
        self._failed: EngineLost | None = None

    def workers(self) -> Sequence[Slots]:
        """The workers, by name."""
        return sorted(
            (Slots(one.name, one.count) for one in self._workers.values()), key=lambda one: one.worker
        )

    def has(self, address: str) -> bool:
        """Whether this worker is connected."""
        return address in self._workers

    def update(self, workers: Mapping[str, tuple[str, int]]) -> None:
        """Take the list of connected workers: address -> name, and steps at the same time."""
        for address in self._workers.keys() - workers.keys():
            del self._workers[address]
        for address, (name, count) in workers.items():
            self._workers.setdefault(address, Worker(address, name, count)).count = count
        self._assign()

    def drop(self, address: str) -> None:
        """This worker is gone; no step begins there unless it connects again."""
        self._workers.pop(address, None)

    def fail(self, reason: EngineLost) -> None:
        """No step begins any more."""
        self._failed = reason
        for _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(reason)
        self._waiting.clear()

    @contextlib.asynccontextmanager
    async def slot(self, step: Step) -> AsyncIterator[Worker]:
        """A slot until the end of the block.

        Raises:
            EngineLost: the engine failed before one was free.
        """
        if self._failed is not None:
            raise self._failed
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, turn))
        self._waiting.sort(key=lambda waiting: -waiting[0].priority)
        self._assign()
        try:
            worker = await turn
            yield worker
        finally:
            self._waiting = [waiting for waiting in self._waiting if waiting[1] is not turn]
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                turn.result().busy -= 1
            self._assign()

    def _assign(self) -> None:
        free = [one for one in self._workers.values() if one.busy < one.count]
        for step, turn in list(self._waiting):
            if not free:
                return
            if turn.done():
                continue
            # Where every worker has failed this image, one of them must do.
            fit = [one for one in free if one.name not in step.avoid]
            if not fit and all(one.name in step.avoid for one in self._workers.values()):
                fit = free
            if not fit:
                continue
            chosen = min(fit, key=lambda one: (one.name != step.prefer, one.busy / one.count, one.name))
            chosen.busy += 1
            turn.set_result(chosen)
            self._waiting.remove((step, turn))
            if chosen.busy >= chosen.count:
                free.remove(chosen)
