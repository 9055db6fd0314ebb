"""Real builds by a real Slurm of this machine: a controller, and two nodes with a store each."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildsys.diagnostics import Refused
from buildsys.engines import engine_of
from buildsys.engines.broker import serving
from buildsys.engines.placement import Placement
from buildsys.image import ImageSet
from tests.distributed.conftest import Cluster, cluster, local_ids, running, shell
from tests.plan.sets import BASE, image
from tests.publish.conftest import free_port

__all__ = ["cluster", "local_ids"]
pytestmark = pytest.mark.real

SLURM = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool.%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/%n.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={place}/prolog
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SlurmdTimeout=10
KillWait=2
ReturnToService=2
MpiDefault=none
NodeName=w1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=w2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=build Nodes=w1,w2 Default=YES MaxTime=INFINITE State=UP
"""
# Nothing of the client's environment reaches a node, so the node's own settings come from here.
PROLOG = """\
#!/bin/sh
echo "export BS_PAUSE=0.05"
echo "export CONTAINERS_REGISTRIES_CONF={registries}"
echo "export BS_WORKER_DIR={stores}/$SLURMD_NODENAME.d"
echo "export BS_WORKER_STORE=--root {stores}/$SLURMD_NODENAME/root --runroot {stores}/$SLURMD_NODENAME/run"
"""


@contextmanager
def slurm(place: Path, stores: Path) -> Iterator[Path]:
    """A Slurm whose nodes have their stores below `stores`; its slurm.conf."""
    place.mkdir()
    (place / "state").mkdir()
    host = socket.gethostname()
    # Slurm looks a node up by the first part of its host's name.
    conf = place / "slurm.conf"
    ports = [free_port() for _ in range(3)]
    conf.write_text(SLURM.format(host=host, place=place, ports=ports))
    (place / "prolog").write_text(
        PROLOG.format(stores=stores, registries=os.environ["CONTAINERS_REGISTRIES_CONF"])
    )
    (place / "prolog").chmod(0o755)
    (place / "key").write_bytes(os.urandom(1024))
    (place / "key").chmod(0o400)
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    sbin = f"{os.environ['PATH']}:/usr/sbin"

    def program(name: str) -> str:
        found = shutil.which(name, path=sbin)
        assert found, f"the tests need {name}: `make setup` installs it"
        return found

    argvs = [
        [program("munged"), "--foreground", "--force", "--key-file", str(place / "key"),
         "--socket", str(place / "munge.socket"), "--pid-file", str(place / "munge.pid"),
         "--log-file", str(place / "munge.log"), "--seed-file", str(place / "munge.seed")],
        [program("slurmctld"), "-D", "-f", str(conf)],
        [program("slurmd"), "-D", "-f", str(conf), "-N", "w1"],
        [program("slurmd"), "-D", "-f", str(conf), "-N", "w2"],
    ]  # fmt: skip
    processes = []
    try:
        for argv in argvs:
            processes.append(
                subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            if "munged" in argv[0]:
                while not (place / "munge.socket").exists():
                    time.sleep(0.05)
        said = ""
        for _ in range(300):
            said = subprocess.run(
                ["sinfo", "--noheader", "--format=%t %D"], env=environment, capture_output=True, text=True,
                check=False,
            ).stdout  # fmt: skip
            if said.strip() == "idle 2":
                break
            time.sleep(0.1)
        else:
            raise AssertionError(f"Slurm did not start: {said}")
        yield conf
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(timeout=20)


@contextmanager
def command(options: str, conf: Path) -> Iterator[str]:
    """The command that runs a step on a node."""
    engine = engine_of(f"slurm={options}", "overlay", {**os.environ, "SLURM_CONF": str(conf)})
    with serving(engine, Placement(Path("/nowhere"), {}, {})) as (words, workers):
        assert [one.worker for one in workers] == ["w1", "w2"]
        yield words


def test_twelve_images_by_slurm(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    local_ids: Callable[[ImageSet], dict[str, str]],
) -> None:  # fmt: skip
    made = cluster.compile()
    with slurm(tmp_path / "slurm", cluster.place) as conf:
        monkeypatch.setenv("SLURM_CONF", str(conf))
        with command("partition=build", conf) as words:
            done = cluster.run(BS_ON=words)
            assert done.returncode == 0, done.stderr
            assert "12 images: 12 built, 0 fresh" in done.stderr
            assert cluster.client.identities() == local_ids(made)
            assert set(cluster.built().values()) == {"w1", "w2"}
            assert cluster.left() == {}
            # What is interrupted ends on its node.
            cluster.compile(image("base", BASE, shell("sleep 4738")))
            build = subprocess.Popen(
                ["make", "--no-print-directory", "-C", str(cluster.client.plan)], text=True,
                env=cluster.client.environment(**cluster.environment(BS_ON=words)),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            wait_until(lambda: bool(running("sleep 4738")))
            build.terminate()
            wait_until(lambda: not running("sleep 4738"), seconds=5)
            build.communicate(timeout=30)
        with pytest.raises(Refused) as refused, command("partition=nowhere", conf):
            pass
        assert "no node in the partition nowhere can run jobs [no-worker]" in refused.value.text()


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
