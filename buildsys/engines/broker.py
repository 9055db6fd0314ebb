"""Between launchers and an engine: takes steps at a Unix socket, submits them, passes on what they print.

It runs in a thread of the front end. A launcher that ends early closes its connection: its step is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from buildsys.engines import slot
from buildsys.engines.engine import LOST, UNFIT, Engine, EngineLost, Slots, Step, WorkerLost
from buildsys.engines.placement import Placement

LARGEST = 64 << 20
"""Bytes of the largest request that is taken: records of an image and of its parents."""
STOPPING = 5.0
"""Seconds for the end of all that still runs."""


class Broker:
    """The socket's server. All but the constructor runs in one asyncio loop."""

    def __init__(self, engine: Engine, placement: Placement) -> None:
        self.engine = engine
        self.placement = placement
        self.known: Sequence[Slots] = ()
        self._numbers = count(1)
        self._running: set[asyncio.Task[None]] = set()
        self._closing = False

    async def listen(self, path: Path) -> asyncio.Server:
        """Start the engine, and take steps at this socket.

        Raises:
            Refused: the engine cannot be used.
        """
        await self.engine.start()
        self.known = await self.engine.slots()
        return await asyncio.start_unix_server(self._serve, path, backlog=1024, limit=LARGEST)

    async def close(self) -> None:
        """Cancel the steps that still run, and stop the engine."""
        self._closing = True
        for task in self._running:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOPPING):
                await asyncio.gather(*self._running, return_exceptions=True)
                await self.engine.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._closing:
            writer.close()
            return
        self._running.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await self._attempt(await self._step(reader), reader, writer)
        except asyncio.CancelledError:
            # asyncio prints what ends in this way: the connection is closed, and that is all.
            pass
        finally:
            self._running.discard(task)
            writer.close()

    async def _step(self, reader: asyncio.StreamReader) -> Step:
        head, given = map(int, (await reader.readuntil(b"\n")).split())
        if not 0 < head + given < LARGEST:
            raise ValueError(given)
        image, avoid, *argv = (await reader.readexactly(head)).decode(errors="surrogateescape").split("\0")
        return Step(
            image=image,
            attempt=f"{image}-{next(self._numbers)}",
            argv=tuple(argv),
            stdin=await reader.readexactly(given),
            priority=self.placement.priority(image),
            prefer=self.placement.prefer(image),
            avoid=frozenset(avoid.split()),
        )

    async def _attempt(self, step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def put(descriptor: int, data: bytes) -> None:
            writer.write(bytes([descriptor]) + len(data).to_bytes(4, "big") + data)

        running = asyncio.ensure_future(self.engine.submit(step, put))
        # Launchers send nothing more: an answer here is the end of one.
        ended = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                return
            try:
                status = running.result()
            except WorkerLost as lost:
                put(2, f"{step.image}: {lost}\n".encode())
                status = LOST
            except EngineLost as lost:
                put(2, f"error: {lost}\n".encode())
                status = UNFIT
            writer.write(b"\0" + (status if status >= 0 else 128 - status).to_bytes(4, "big"))
            await writer.drain()
        finally:
            ended.cancel()
            if not running.done():
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


@contextlib.contextmanager
def serving(engine: Engine, placement: Placement) -> Iterator[tuple[str, Sequence[Slots]]]:
    """Run a broker until the end of the block: the command for BS_ON, and the workers that are known.

    Raises:
        Refused: the engine cannot be used.
    """
    with TemporaryDirectory(prefix="buildsys-") as folder:
        path = Path(folder) / "broker"
        broker = Broker(engine, placement)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="broker", daemon=True)
        thread.start()

        server = None
        try:
            server = asyncio.run_coroutine_threadsafe(broker.listen(path), loop).result()
            words = [sys.executable, "-I", "-S", str(Path(slot.__file__)), str(path)]
            yield shlex.join(words), broker.known
        finally:
            if server is not None:
                loop.call_soon_threadsafe(server.close)
            asyncio.run_coroutine_threadsafe(broker.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
