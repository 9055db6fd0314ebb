"""The command line in a child of the tests' own process, which has imported it already.

A verb takes some 0.1 CPU seconds this way, 0.3 in a Python of its own. It still has a process, descriptors,
an environment and an exit status of its own, and may become another program. The start itself, and what
Python reads of its environment at the start, are tested with a Python of their own.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

AT_START = ("PYTHON", "LANG", "LC_")
"""What Python reads of its environment when it starts; names begin so."""


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether Python would have started in this environment as it did in ours."""
    words = {**os.environ, **environment}
    return not any(
        name.startswith(AT_START) and os.environ.get(name) != environment.get(name) for name in words
    )


def run(words: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `python -m buildsys WORDS`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with warnings.catch_warnings():
            # From Python 3.12 on: a worker has threads. They wait for its controller, and hold no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            status = 70
            try:
                status = _child(words, cwd, environment, out.fileno(), err.fileno())
            except BaseException:
                os.write(2, traceback.format_exc().encode())
                raise
            finally:
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        return subprocess.CompletedProcess(
            ["buildsys", *words], os.waitstatus_to_exitcode(ended), texts[0], texts[1]
        )


def _child(words: Sequence[str], cwd: Path, environment: Mapping[str, str], out: int, err: int) -> int:
    """Become the command; its exit status."""
    for number, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, err)):
        os.dup2(file, number)
    os.closerange(3, min(65536, os.sysconf("SC_OPEN_MAX")))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["buildsys", *words]
    tempfile.tempdir = None
    _forget()
    from buildsys.__main__ import main

    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    return 0


def _forget() -> None:
    """Forget what tests in this process have asked before."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "buildsys":
            for thing in list(vars(module).values()):
                if isinstance(thing, functools._lru_cache_wrapper):
                    thing.cache_clear()
