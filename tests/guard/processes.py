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
                command = _words(process, "cmdline") or _name(process)
                if command:
                    found[process] = (_shown(command), _test(_words(process, "environ")))
                break
    return found


def lasting(find: Callable[[], Found]) -> Found:
    """Those of the processes found that do not end by themselves in a moment.

    Whoever becomes another program at the moment of a look has neither command nor environment: looks at once
    that find nothing prove nothing, two in a row do.
    """
    end, empty = time.monotonic() + PATIENCE, 0
    while True:
        found = find()
        empty = 0 if found else empty + 1
        if empty == 2 or time.monotonic() > end:
            return found
        time.sleep(0.1)


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


def _state(process: int) -> tuple[str, str, int]:
    """Name, state and parent of a process; parent 0 where it is gone."""
    try:
        text = os.fsdecode(Path(f"/proc/{process}/stat").read_bytes())
    except OSError:
        return "", "X", 0
    head, _, tail = text.rpartition(")")
    state, parent = tail.split()[:2]
    return head.partition("(")[2], state, int(parent)


def _parent(process: int) -> int:
    return _state(process)[2]


def _name(process: int) -> list[str]:
    """What is known of a process without a command; nothing where it has ended and is only waited for."""
    name, state, _ = _state(process)
    return [] if state in "ZX" else [name]


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
