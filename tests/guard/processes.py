"""Processes that a run started and that are still alive."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MARK = "TESTS_GUARD"
"""Environment variable that all processes of a run bear: the folder of the run."""
TEST = "PYTEST_CURRENT_TEST"
"""pytest's own: the test at work, which processes started by it bear."""
PATIENCE = 2.0
"""Seconds that processes have to end after the run."""

Found = dict[int, tuple[str, str]]
"""Command and test of a process, by its number."""


def marked(run: Path) -> Found:
    """Processes of a run: they bear its mark, or its folder is in their command or is where they work."""
    mark, folder = f"{MARK}={run}", str(run)
    found = {}
    for process in _others():
        environment = _words(process, "environ")
        command = _words(process, "cmdline")
        if command and (
            any(word.startswith(mark) for word in environment)
            or any(folder in word for word in command)
            or _works_in(process).startswith(folder)
        ):
            found[process] = (_shown(command), _test(environment))
    return found


def below(top: int) -> Found:
    """Descendants of a process."""
    parents = {process: parent for process in _numbers() if (parent := _parent(process))}
    found = {}
    for process in parents:
        above = process
        while above := parents.get(above, 0):
            if above == top:
                if command := _words(process, "cmdline"):
                    found[process] = (_shown(command), _test(_words(process, "environ")))
                break
    return found


def lasting(find: Callable[[], Found]) -> Found:
    """Those of the processes found that do not end by themselves in a moment."""
    end = time.monotonic() + PATIENCE
    while (found := find()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _numbers() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _others() -> Iterator[int]:
    """All but this process and those that wait for it."""
    ours = [os.getpid()]
    while above := _parent(ours[-1]):
        ours.append(above)
    return (process for process in _numbers() if process not in ours)


def _words(process: int, file: str) -> list[str]:
    """Command or environment of a process; nothing where it is gone, or only waited for."""
    try:
        return os.fsdecode(Path(f"/proc/{process}/{file}").read_bytes()).split("\0")[:-1]
    except OSError:
        return []


def _parent(process: int) -> int:
    try:
        text = os.fsdecode(Path(f"/proc/{process}/stat").read_bytes())
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


def _works_in(process: int) -> str:
    try:
        return str(Path(f"/proc/{process}/cwd").readlink())
    except OSError:
        return ""


def _shown(command: list[str]) -> str:
    text = " ".join(command)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _test(environment: list[str]) -> str:
    """The test that a process was started by; "" where it does not say."""
    for word in environment:
        if word.startswith(f"{TEST}="):
            return word.partition("=")[2].rpartition(" (")[0]
    return ""
