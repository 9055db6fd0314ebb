"""What `--on` refuses before anything is built."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from buildsys.diagnostics import Refused
from buildsys.engines import engine_of
from buildsys.engines.dask import Dask
from buildsys.engines.dask_worker import platform, versions

FACTS = {"name": "w1", "versions": versions(), "platform": platform(), "buildah": True, "driver": "overlay"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "slrum",
            "error: no engine is named slrum [unknown-engine]\n  hint: did you mean 'slurm'?",
        ),
        (
            "dask",
            (
                "error: not the address of a scheduler: nothing [bad-engine-address]\n"
                "  hint: dask=tls://HOST:8786"
            ),
        ),
        (
            "dask=tls://[::1",
            (
                "error: not the address of a scheduler: tls://[::1 [bad-engine-address]\n"
                "  hint: dask=tls://HOST:8786"
            ),
        ),
        (
            "dask=tcp://builder:8786",
            (
                "error: tcp://builder:8786 is without TLS: anybody who reaches that port could run "
                "programs on all workers [engine-without-tls]\n"
                "  hint: use tls://builder:8786; only loopback addresses may be without"
            ),
        ),
        (
            "dask=tls://builder:8786",
            (
                "error: /nowhere lacks ca.pem, cert.pem, key.pem, for tls://builder:8786 [no-certificates]\n"
                "  hint: BS_TLS_DIR names the folder; the how-to for Dask has the commands that make them"
            ),
        ),
    ],
)
def test_a_value_of_on_that_cannot_be_used(text: str, message: str) -> None:
    with pytest.raises(Refused) as refused:
        engine_of(text, "overlay", {"BS_TLS_DIR": "/nowhere"})
    assert refused.value.text() == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"driver": "vfs"},
            (
                "error: the store of the worker w1 is of the driver vfs, the client's is overlay: its images "
                "would have other ids [worker-driver]\n  hint: use one storage driver on all machines"
            ),
        ),
        (
            {"buildah": False},
            "error: the worker w1 has no buildah [worker-without-tool]\n  hint: install it there",
        ),
        (
            {"platform": "linux/riscv64"},
            (
                f"error: the worker w1 is linux/riscv64, and this client builds for {platform()} "
                "[no-worker]\n"
                "  hint: start workers of the set's platform"
            ),
        ),
    ],
)
def test_a_worker_that_cannot_build(change: Mapping[str, object], message: str) -> None:
    engine = Dask("tcp://127.0.0.1:1", "overlay", {})
    assert not engine._mistakes("tcp://w1", FACTS)
    assert [found.text() for found in engine._mistakes("tcp://w1", {**FACTS, **change})] == [message]


def test_a_worker_of_another_version() -> None:
    engine = Dask("tcp://127.0.0.1:1", "overlay", {})
    other = {**FACTS, "versions": {**versions(), "buildsys": "0.0.9"}}
    (found,) = engine._mistakes("tcp://w1", other)
    assert found.message.startswith("the worker w1 has buildsys 0.0.9, Python 3.")
    assert found.code == "worker-version"
    (found,) = engine._mistakes("tcp://w1", ModuleNotFoundError("No module named 'buildsys'"))
    assert found.text().startswith(
        "error: the worker tcp://w1 does not run buildsys: No module named 'buildsys' [worker-version]"
    )


def test_no_scheduler_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildsys.engines.dask.CONNECTING", 0.3)
    with pytest.raises(Refused) as refused:
        asyncio.run(engine_of("dask=tcp://127.0.0.1:9", "overlay", {}).start())
    first, hint = refused.value.text().splitlines()
    assert first.startswith("error: no scheduler answers at tcp://127.0.0.1:9: ")
    assert first.endswith(" [no-scheduler]")
    assert hint == "  hint: start one there: buildsys worker --scheduler tcp://127.0.0.1:9"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Writes a fake program of Slurm; there is no other program but bash."""
    (tmp_path / "bash").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(name: str, text: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)

    return put


def test_engines_that_are_not_installed(
    tools: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tools("srun", "exit 1")
    with pytest.raises(Refused) as refused:
        engine_of("slurm", "overlay", {})
    assert refused.value.text() == (
        "error: the engine slurm needs sinfo, scancel, which this machine lacks [engine-not-installed]\n"
        "  hint: apt-get install slurm-client, or dnf install slurm"
    )
    monkeypatch.setattr(import_module("importlib.util"), "find_spec", lambda _: None)
    with pytest.raises(Refused) as refused:
        engine_of("dask=tcp://127.0.0.1:1", "overlay", {})
    assert refused.value.text() == (
        "error: the engine dask needs Dask, which is not installed [engine-not-installed]\n"
        "  hint: pip install 'buildsys[dask]'"
    )


def test_slurm_without_a_node_or_a_controller(tools: Callable[[str, str], None]) -> None:
    for name in ("srun", "sinfo", "scancel"):
        tools(name, "echo 'n1 4 down*'; echo 'n2 4 drain'")
    with pytest.raises(Refused) as refused:
        asyncio.run(engine_of("slurm=partition=build", "overlay", {}).start())
    assert refused.value.text() == (
        "error: no node in the partition build can run jobs [no-worker]\n"
        "  hint: sinfo --list-reasons says why"
    )
    tools("sinfo", "echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(Refused) as refused:
        asyncio.run(engine_of("slurm", "overlay", {}).start())
    assert refused.value.text() == (
        "error: Slurm does not answer: slurm_load_partitions: Unable to contact slurm controller "
        "[no-scheduler]\n  hint: sinfo must work on this machine"
    )
    with pytest.raises(Refused) as refused:
        engine_of("slurm=partitions=build", "overlay", {})
    assert refused.value.text() == (
        "error: not an option of the engine slurm: partitions=build [bad-engine-option]\n"
        "  hint: did you mean 'partition'?"
    )


def test_slurm_gets_the_options_and_the_step(tools: Callable[[str, str], None], tmp_path: Path) -> None:
    from buildsys.engines.engine import Step

    log = tmp_path / "log"
    tools("sinfo", "echo 'n1 4 idle'; echo 'n2 2 mix'; echo 'n3 2 idle~'")
    tools("scancel", f'echo scancel "$@" >>{log}')
    tools(
        "setpriv",
        'while [[ $1 == --* ]]; do shift; done; shift; exec "$@"',
    )
    tools("srun", f'echo "$@" >>{log}; while read -r line; do echo "took $line"; done; exit 7')
    printed: list[tuple[int, bytes]] = []

    async def run() -> int:
        engine = engine_of("slurm=partition=p,memory=2G,time=30", "overlay", {})
        await engine.start()
        assert [(one.worker, one.count) for one in await engine.slots()] == [("n1", 4), ("n2", 2), ("n3", 2)]
        step = Step("nova", "nova-1", ("bash", "-s"), b"request\n", 5000, "", frozenset({"n1", "other"}))
        return await engine.submit(step, lambda *one: printed.append(one))

    assert asyncio.run(run()) == 7
    assert printed == [(1, b"took request\n")]
    words = log.read_text()
    assert "--partition=p --mem=2G --time=30 --exclude=n1 bash -c" in words.replace("\n", " ")
    assert f"--nice={(1 << 30) - 5000}" in words
    assert "scancel" not in words


def test_a_build_needs_a_work_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from buildsys.cli.elsewhere import run_on
    from buildsys.image import ImageSet
    from buildsys.run.make import RunOptions

    monkeypatch.delenv("BS_REGISTRY", raising=False)
    nothing: ImageSet = None  # type: ignore[assignment]
    with pytest.raises(Refused) as refused:
        run_on("slurm", tmp_path, (), RunOptions(), nothing, draw=None)
    assert refused.value.text() == (
        "error: steps on other machines exchange images through a work registry, and none is named "
        "[no-work-registry]\n  hint: set BS_REGISTRY=HOST[:PORT][/PREFIX]"
    )


def test_dask_is_imported_only_where_it_is_used() -> None:
    import subprocess

    text = "import sys, buildsys.cli.build, buildsys.engines, buildsys.cli.elsewhere; print(*sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, env=os.environ
    ).stdout.split()
    assert {"asyncio", "distributed", "dask"} & set(printed) == set()
