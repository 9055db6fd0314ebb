"""Slots from Dask: `buildsys worker` on each machine, `--on dask=tls://HOST:PORT` here.

Each step is one task without dependencies, sent to one worker. Dask carries commands and lines, and notices
dead workers. Which step begins where is decided here: Dask blames tasks that only wait on a dead worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any

from buildsys import __version__
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.engines.address import Address, parsed, security
from buildsys.engines.dask_worker import facts, platform, run_step, versions
from buildsys.engines.engine import EngineLost, Put, Slots, Step, WorkerLost, refused
from buildsys.engines.queue import Queue

INSTALL = "pip install 'buildsys[dask]'"
CONNECTING = 10
"""Seconds for the scheduler to answer."""
LOOKING = 1.0
"""Seconds between two looks at the list of workers."""
MOST_BEGINNINGS = 10
"""Workers that may be gone before a step begins on one."""
REST = 10.0
"""Seconds for lines that are under way when their task has ended."""


class Dask:
    """The engine of a Dask scheduler, whose workers are processes of `buildsys worker`."""

    def __init__(self, value: str, driver: str, environment: Mapping[str, str]) -> None:
        """`value`: the scheduler's address; `driver`: of the client's store.

        Raises:
            Refused: Dask is not installed, or the address cannot be used.
        """
        require_dask()
        self._address: Address = parsed(value, environment)
        self._driver = driver
        self._topic = f"buildsys-{token_hex(8)}"
        self._queue = Queue()
        self._puts: dict[str, tuple[Put, list[int]]] = {}
        self._client: Any = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and compare the workers with this client.

        Raises:
            Refused: nothing answers, versions differ, or a worker cannot build.
        """
        import logging

        import dask
        import distributed

        connect: Any = distributed.Client
        dask.config.set({"distributed.comm.timeouts.tcp": "15s", "distributed.comm.retry.count": 0})
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            self._client = await connect(
                self._address.text, security=security(self._address), asynchronous=True,
                timeout=CONNECTING, name="buildsys", set_as_default=False,
            )  # fmt: skip
        except (OSError, TimeoutError, ValueError) as error:
            raise refused(
                Code.NO_SCHEDULER,
                f"no scheduler answers at {self._address.text}: {_first_line(error)}",
                f"start one there: buildsys worker --scheduler {self._address.text}",
            ) from error
        await self._compare()
        self._client.subscribe_topic(self._topic, self._take)
        await self._look()
        self._watching = asyncio.ensure_future(self._watch())

    async def _compare(self) -> None:
        """Refuse workers that would give images other ids, or that cannot build, all at once."""
        found = []
        if not (await self._client.scheduler.identity(n_workers=-1))["workers"]:
            await self._client.close()
            raise refused(
                Code.NO_WORKER, f"no worker is connected to {self._address.text}",
                f"start one on each machine: buildsys worker {self._address.text}",
            )  # fmt: skip
        answers: dict[str, Any] = await self._client.run(facts, on_error="return")
        for place, answer in sorted(answers.items()):
            found += list(self._mistakes(place, answer))
        if found:
            await self._client.close()
            raise Refused(found)

    def _mistakes(self, place: str, facts: object) -> Sequence[Diagnostic]:
        if not isinstance(facts, dict):
            message = f"the worker {place} does not run buildsys: {_first_line(facts)}"
            return [
                Diagnostic(
                    NOWHERE, Code.WORKER_VERSION, message, f"start `buildsys worker` there, {__version__}"
                )
            ]
        name = facts["name"]
        if facts["versions"] != versions():
            ours, theirs = (", ".join(f"{key} {value}" for key, value in one.items()) for one in
                            (versions(), facts["versions"]))  # fmt: skip
            message = f"the worker {name} has {theirs}, and this client {ours}"
            return [
                Diagnostic(NOWHERE, Code.WORKER_VERSION, message, "install the same versions on all machines")
            ]
        if not facts["buildah"]:
            message = f"the worker {name} has no buildah"
            return [Diagnostic(NOWHERE, Code.WORKER_WITHOUT_TOOL, message, "install it there")]
        if facts["platform"] != platform():
            message = f"the worker {name} is {facts['platform']}, and this client builds for {platform()}"
            return [Diagnostic(NOWHERE, Code.NO_WORKER, message, "start workers of the set's platform")]
        if facts["driver"] != self._driver:
            message = (
                f"the store of the worker {name} is of the driver {facts['driver'] or 'unknown'}, "
                f"the client's is {self._driver}: its images would have other ids"
            )
            return [
                Diagnostic(NOWHERE, Code.WORKER_DRIVER, message, "use one storage driver on all machines")
            ]
        return []

    async def slots(self) -> Sequence[Slots]:
        """The workers that are connected now."""
        return self._queue.workers()

    async def submit(self, step: Step, put: Put) -> int:
        """Run a step when a slot is free.

        Raises:
            WorkerLost: its worker is gone.
            EngineLost: the scheduler is gone.
        """
        for attempt in range(MOST_BEGINNINGS):
            async with self._queue.slot(step) as worker:
                key = f"{self._topic}-{step.attempt}-{attempt}"
                seen = [0]
                self._puts[key] = (put, seen)
                try:
                    return await self._run(step, worker.address, worker.name, key)
                except WorkerLost:
                    self._queue.drop(worker.address)
                    # A step that never began there is not to blame, and begins elsewhere.
                    if seen[0]:
                        raise
                finally:
                    del self._puts[key]
        raise WorkerLost("no worker lives long enough to begin it")

    async def _run(self, step: Step, address: str, name: str, key: str) -> int:
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker, NoValidWorkerError

        seen = self._puts[key][1]
        future = self._client.submit(
            run_step, step.argv, step.stdin, self._topic, key,
            key=key, workers=[address], allow_other_workers=False, pure=False, retries=0,
        )  # fmt: skip
        try:
            gone = asyncio.ensure_future(self._gone(address))
            answer = asyncio.ensure_future(_result(future))
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not answer.done():
                answer.cancel()
                raise WorkerLost(f"the worker {name} is gone")
            status, lines = answer.result()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REST):
                    while seen[0] < lines:
                        await asyncio.sleep(0.005)
        except (KilledWorker, NoValidWorkerError) as error:
            raise WorkerLost(f"the worker {name} is gone") from error
        except FutureCancelledError:
            self._queue.fail(EngineLost(self._silence()))
            raise EngineLost(self._silence()) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._queue.fail(EngineLost(self._silence()))
            raise EngineLost(self._silence()) from None
        else:
            return int(status)
        finally:
            # The scheduler forgets the task, and its worker ends what still runs of it.
            future.release()

    async def _gone(self, address: str) -> None:
        """Return when this worker is not connected any more; raise when the scheduler is not."""
        while self._queue.has(address):
            await asyncio.sleep(LOOKING / 2)

    def _silence(self) -> str:
        return (
            f"the scheduler {self._address.text} does not answer any more; what is built stays built: "
            "start the scheduler again, and build again"
        )

    def _take(self, event: tuple[float, Any]) -> None:
        key, descriptor, data = event[1]
        put, seen = self._puts.get(key, (None, [0]))
        if put is not None:
            seen[0] += 1
            put(descriptor, data)

    async def _watch(self) -> None:
        """Keep the queue's workers equal to the scheduler's until it does not answer."""
        while True:
            await asyncio.sleep(LOOKING)
            try:
                async with asyncio.timeout(CONNECTING):
                    await self._look()
            except (OSError, TimeoutError, ValueError):
                self._queue.fail(EngineLost(self._silence()))
                return

    async def _look(self) -> None:
        identity = await self._client.scheduler.identity(n_workers=-1)
        if self._client.status not in {"running", "connecting"}:
            raise OSError(self._client.status)
        self._queue.update(
            {place: (each["name"], each["nthreads"]) for place, each in identity["workers"].items()}
        )

    async def stop(self) -> None:
        """Forget all tasks, which ends them, and disconnect."""
        if self._watching is not None:
            self._watching.cancel()
        if self._client is not None:
            with contextlib.suppress(OSError, TimeoutError):
                await self._client.close(timeout=3)


async def _result(future: Any) -> tuple[int, int]:
    answer: tuple[int, int] = await future.result()
    return answer


def require_dask() -> None:
    """Check that Dask is installed.

    Raises:
        Refused: it is not.
    """
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise refused(
            Code.ENGINE_NOT_INSTALLED, "the engine dask needs Dask, which is not installed", INSTALL
        )


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
