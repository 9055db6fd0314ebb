"""Clocks and container stores for measuring: every build gets a store of its own and leaves nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Taken:
    """What a command took: wall seconds, the largest resident size in MiB, seconds of processor time."""

    seconds: float
    mebibytes: float
    processor: float


def take(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Taken:
    """Run a command that must succeed, and measure it as a whole process."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command), env={**os.environ, **(environment or {})}, cwd=cwd, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.stderr.buffer.write(output.read())
            raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
    return Taken(seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


@contextlib.contextmanager
def store() -> Iterator[dict[str, str]]:
    """An empty container store; gives the environment that selects it."""
    place = Path(tempfile.mkdtemp(prefix="buildsys-bench-", dir="/var/tmp"))
    options = f"--root {place}/root --runroot {place}/run"
    try:
        yield {"BS_STORE": options}
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["buildah", *options.split(), "rm", "--all"], check=True, capture_output=True)
        for mount in sorted(_mounts(place), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(place, ignore_errors=True)
        # What is measured next does not wait for what was removed here.
        os.sync()


def _mounts(place: Path) -> list[str]:
    rows = Path("/proc/self/mounts").read_text().splitlines()
    return [row.split()[1] for row in rows if row.split()[1].startswith(str(place))]
