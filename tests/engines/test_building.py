"""Real builds on two workers of Dask, a store each: equal ids, and only running steps are lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from buildsys.engines import engine_of
from buildsys.engines.broker import serving
from buildsys.engines.placement import Placement
from buildsys.image import ImageSet
from tests.distributed.conftest import Cluster, cluster, local_ids, running, shell
from tests.plan.sets import BASE, image

__all__ = ["cluster", "local_ids"]
pytestmark = pytest.mark.real
BUILDSYS = [sys.executable, "-m", "buildsys", "worker"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and one certificate that all machines share, as in the how-to."""
    folder = tmp_path_factory.mktemp("tls")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for words in (
        [*new, "-days", "2", "-subj", "/CN=fleet", "-keyout", "ca.key", "-out", "ca.pem"],
        [*new, "-days", "2", "-subj", "/CN=worker", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "key.pem",
         "-out", "cert.pem"],
    ):  # fmt: skip
        subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return folder


class Fleet:
    """A scheduler with TLS, and a worker for each store of a cluster."""

    def __init__(self, cluster: Cluster, tls: Path, stack: ExitStack) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tls://127.0.0.1:{port}"
        self.environment = {**os.environ, "BS_TLS_DIR": str(tls), "BS_PAUSE": "0.05"}
        self.stack = stack
        self.scheduler = self.start("--scheduler", self.address)
        self.workers = {}
        for name in cluster.workers:
            place = cluster.place / name
            self.workers[name] = self.start(
                self.address, "--name", name, "--slots", "2",
                BS_WORKER_DIR=f"{place}.d", BS_STORE=f"--root {place}/root --runroot {place}/run",
            )  # fmt: skip

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*BUILDSYS, *words], env={**self.environment, **more}, stderr=subprocess.PIPE, text=True
        )
        self.stack.callback(self.end, process)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(("scheduler at", "worker ")) and "does not answer" not in line:
                return process
        raise AssertionError(words)

    def end(self, process: subprocess.Popen[str]) -> None:
        process.terminate()
        process.communicate(timeout=10)

    @contextmanager
    def command(self) -> Iterator[str]:
        engine = engine_of(f"dask={self.address}", "overlay", self.environment)
        with serving(engine, Placement(Path("/nowhere"), {}, {})) as (command, workers):
            assert [one.worker for one in workers] == ["w1", "w2"]
            yield command


@pytest.fixture
def fleet(cluster: Cluster, certificates: Path) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(cluster, certificates, stack)


def test_twelve_images_on_dask_have_the_ids_of_a_local_build(
    cluster: Cluster, fleet: Fleet, local_ids: Callable[[ImageSet], dict[str, str]]
) -> None:
    made = cluster.compile()
    with fleet.command() as command:
        done = cluster.run(BS_ON=command)
    assert done.returncode == 0, done.stderr
    assert cluster.client.identities() == local_ids(made)
    assert set(cluster.built().values()) == {"w1", "w2"}
    assert cluster.left() == {}


def test_a_killed_worker_costs_its_running_steps_only(cluster: Cluster, fleet: Fleet) -> None:
    images = [image(f"leaf{i}", "base", shell(f"echo {i} >/l{i}; sleep 2.0{i}7")) for i in range(6)]
    cluster.compile(image("base", BASE, shell("echo >/made")), *images)
    with fleet.command() as command:
        killing = threading.Thread(target=kill_when_busy, args=(fleet.workers["w1"],))
        killing.start()
        done = cluster.run(BS_ON=command)
        killing.join()
    assert done.returncode == 0, done.stderr
    lost = [line for line in done.stderr.splitlines() if "worker w1 was lost" in line]
    assert 1 <= len(lost) <= 2, done.stderr
    assert len(cluster.built()) == 7
    # Nothing of the lost attempts runs on.
    assert running("sleep 2.0") == []


def test_a_scheduler_that_dies_ends_the_run_and_the_next_goes_on(
    cluster: Cluster, fleet: Fleet, certificates: Path
) -> None:
    cluster.compile(image("base", BASE, shell("echo >/made")), image("slow", "base", shell("sleep 2.0977")))
    with fleet.command() as command:
        killing = threading.Thread(target=kill_when_busy, args=(fleet.scheduler, "sleep 2.0977"))
        killing.start()
        done = cluster.run(BS_ON=command)
        killing.join()
    assert done.returncode == 2
    assert (
        f"error: the scheduler {fleet.address} does not answer any more; what is built stays built: "
        in done.stderr
    )
    assert running("sleep 2.0977") == []
    for worker in fleet.workers.values():
        fleet.end(worker)
    with ExitStack() as stack:
        again = Fleet(cluster, certificates, stack)
        with again.command() as command:
            done = cluster.run(BS_ON=command)
    assert "2 images: 1 built, 1 fresh" in done.stderr
    assert [item for names in cluster.left().values() for item in names] == []


def kill_when_busy(process: subprocess.Popen[str], words: str = "sleep 2.0") -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if running(words):
            time.sleep(0.3)
            process.send_signal(signal.SIGKILL)
            return
        time.sleep(0.02)
