"""Signals that ask a verb to end, sent to its process alone, as a timer, a CI runner or `kill` does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.programs import started

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
PARENT = """\
import subprocess, sys
from buildsys.interrupts import hear
hear()
print("ready", flush=True)
subprocess.run(["sh", "-c", "sleep 97.{pid}; :"])
"""


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def running(text: str) -> Iterator[int]:
    """Processes whose command line holds this text."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in words:
            yield int(path.parent.name)


@pytest.mark.parametrize("number", NUMBERS)
def test_what_a_process_started_ends_with_it(number: signal.Signals) -> None:
    mark = f"97.{os.getpid()}"
    program = PARENT.replace("{pid}", str(os.getpid()))
    with started([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as run:
        until(lambda: len([*running(f"sleep\0{mark}")]) == 1)
        run.send_signal(number)
        run.wait(timeout=10)
        until(lambda: not [*running(f"sleep\0{mark}")])


def test_what_the_caller_ignores_stays_ignored() -> None:
    program = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from buildsys.interrupts import hear; hear()\n"
        "assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN\n"
        "assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "words",
    [
        ["build", "tiny"],
        ["test", "tiny"],
        ["periodic", "tiny"],
        ["lock", "tiny"],
        ["publish", "tiny", "--to", "oci:out"],
    ],
    ids=lambda words: words[0],
)
def test_a_verb_that_waits_for_a_program(
    here: Path, environment: dict[str, str], tmp_path: Path, words: list[str], number: signal.Signals
) -> None:
    """Whatever is the first program that it starts: that one hangs."""
    tools = tmp_path / "hanging"
    tools.mkdir()
    mark = f"96.{os.getpid()}"
    for name in ("make", "buildah", "skopeo", "podman", "curl", "dnf", "createrepo_c", "bwrap"):
        (tools / name).write_text(f"#!/bin/sh\nsleep {mark}\n:\n")
        (tools / name).chmod(0o755)
    environment = {**environment, "PATH": f"{tools}:{environment['PATH']}", "BS_USERNS": "1"}
    argv = [sys.executable, "-m", "buildsys", *words]
    with started(argv, cwd=here, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        until(lambda: [*running(f"sleep\0{mark}")] or run.poll() is not None)
        assert run.poll() is None, run.communicate()
        run.send_signal(number)
        _, errors = run.communicate(timeout=20)
        assert run.returncode == 130, errors
        assert "Traceback" not in errors
        until(lambda: not [*running(f"sleep\0{mark}")])
