"""`buildsys worker`: this machine builds images for clients elsewhere, in a store of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import click

from buildsys.cli.options import examples
from buildsys.cli.output import FAILED, INTERRUPTED, Ended, say
from buildsys.cli.stores import takes_store


@click.command(
    epilog=examples(
        "buildsys worker --scheduler tls://builder1:8786",
        "buildsys worker tls://builder1:8786 --slots 4",
    )
)
@click.argument("address")
@click.option("--scheduler", is_flag=True, help="Be the scheduler at this address, instead of a worker.")
@click.option(
    "--slots",
    metavar="N",
    type=click.IntRange(min=1, max=64),
    help="Steps at once; else half of the processors.",
)
@click.option("--name", metavar="NAME", help="What results call this worker; else the name of this machine.")
@takes_store
def worker(address: str, *, scheduler: bool, slots: int | None, name: str | None, store: str) -> int:
    """Build images for clients of a Dask scheduler, until interrupted.

    One machine runs the scheduler; each machine that builds runs a worker. Clients then use
    `build --on dask=ADDRESS`. Addresses are tls://HOST:PORT, with the certificates that BS_TLS_DIR names;
    without TLS, only addresses of this machine itself. A certificate lets run programs on all workers.
    """
    from buildsys.engines.address import parsed
    from buildsys.engines.dask import require_dask

    require_dask()
    place = parsed(address, os.environ)
    from buildsys.engines import dask_worker

    if scheduler:
        work = dask_worker.serve_scheduler(place, say)
    else:
        if store:
            os.environ["BS_WORKER_STORE"] = store
        from tempfile import mkdtemp

        work = dask_worker.serve_worker(
            place, say,
            name=name or os.environ.get("BS_WORKER") or socket.gethostname(),
            slots=slots or max(1, (os.cpu_count() or 1) // 2),
            folder=mkdtemp(prefix="buildsys-"),
        )  # fmt: skip

    async def serve() -> None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await task

    try:
        asyncio.run(serve())
    except asyncio.CancelledError:
        return INTERRUPTED
    except OSError as error:
        raise Ended(FAILED, f"{address}: {error.strerror or error}") from error
    return 0
