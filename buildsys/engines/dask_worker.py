"""The worker's side of Dask: one process a machine, which runs steps in this machine's own store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from buildsys import __version__, programs, storage
from buildsys.engines.address import Address, security

SETTINGS = {
    # Dask reads this when it is imported; this module prints what matters.
    "logging": {"distributed": "critical"},
    # A step that was lost is tried again by the client, which knows whether it may be.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    # Nothing but the protocol itself, which has TLS.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.worker-ttl": "30s",
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.comm.timeouts.tcp": "15s",
    "distributed.comm.timeouts.connect": "10s",
    "distributed.worker.daemon": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 100,
    "distributed.admin.log-length": 100,
}
WANTED = 0.25
"""Seconds between two looks whether a client still waits for a step."""
AGAIN = 2.0
"""Seconds before a worker whose scheduler is gone tries to connect again."""


def versions() -> dict[str, str]:
    """The versions that client and workers must share: Dask sends Python objects."""
    from importlib.metadata import version
    from platform import python_version_tuple

    python = ".".join(python_version_tuple()[:2])
    return {"buildsys": __version__, "Python": python, "distributed": version("distributed")}


def platform() -> str:
    """The platform of this machine, in the words of OCI."""
    from os import uname

    machine = uname().machine
    return f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def facts(dask_worker: Any) -> dict[str, Any]:
    """What a client compares before it builds. Dask gives the worker by the name of the parameter."""
    store = storage.store(os.environ.get("BS_WORKER_STORE", ""))
    return {
        "name": str(dask_worker.name),
        "versions": versions(),
        "platform": platform(),
        "buildah": shutil.which("buildah") is not None,
        "driver": store.driver if store else "",
    }


async def run_step(argv: Sequence[str], given: bytes, topic: str, key: str) -> tuple[int, int]:
    """Run a step on the worker: its exit status, and how many pieces of output were sent to the topic.

    It ends when its client is gone, or has cancelled it.
    """
    from distributed import get_worker

    worker = get_worker()
    sent = 0

    def put(descriptor: int, data: bytes) -> None:
        nonlocal sent
        sent += 1
        worker.log_event(topic, (key, descriptor, data))

    put(1, f"\x1eworker {worker.name}\n".encode())
    running = asyncio.ensure_future(programs.converse(argv, os.environ, given, put, orphan="KILL"))
    RUNNING.add(running)
    try:
        while not running.done():
            await asyncio.wait({running}, timeout=WANTED)
            task = worker.state.tasks.get(key)
            if (
                task is None
                or task.state == "cancelled"
                or worker.status.name in {"closing", "closed", "failed"}
            ):
                running.cancel()
        return await running, sent
    except asyncio.CancelledError:
        return 130, sent
    finally:
        # Dask cancels this task when its scheduler is gone, and with it no other one.
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        RUNNING.discard(running)


RUNNING: set[asyncio.Future[int]] = set()
"""Steps of this process."""


def configure() -> None:
    """Set what Dask's processes here do, and leave messages to this module."""
    import dask

    dask.config.set(SETTINGS)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)


async def serve_scheduler(address: Address, say: Callable[[str], None]) -> None:
    """Run a scheduler at this address until the task is cancelled.

    Raises:
        OSError: the address is in use, or not of this machine.
    """
    configure()
    from distributed import Scheduler

    async with Scheduler(
        protocol=address.text.partition(":")[0], host=address.host, port=address.port,
        security=security(address), dashboard=False, dashboard_address="127.0.0.1:0",
    ) as scheduler:  # fmt: skip
        say(f"scheduler at {scheduler.address}")
        await scheduler.finished()


async def serve_worker(
    address: Address, say: Callable[[str], None], *, name: str, slots: int, folder: str
) -> None:
    """Run steps for the scheduler at this address until the task is cancelled.

    When the scheduler is gone, or this machine is cut off, all steps end; then the worker connects again.
    """
    configure()
    from distributed import Worker

    os.environ["BS_WORKER"] = name
    waiting = False
    while True:
        try:
            # Without TLS, other machines must not reach this worker either.
            async with Worker(
                address.text, nthreads=slots, name=name, security=security(address), local_directory=folder,
                dashboard=False, dashboard_address="127.0.0.1:0", memory_limit=0, death_timeout=10,
                host=None if address.tls else address.host,
            ) as worker:  # fmt: skip
                say(f"worker {name} at {address.text}, {slots} at a time")
                waiting = False
                await worker.finished()
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            if not waiting:
                say(f"worker {name}: {address.text} does not answer ({type(error).__name__}); it tries again")
            waiting = True
        finally:
            await end_steps()
        await asyncio.sleep(AGAIN)


async def end_steps() -> None:
    """End every step of this process."""
    for step in tuple(RUNNING):
        step.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*RUNNING, return_exceptions=True)
