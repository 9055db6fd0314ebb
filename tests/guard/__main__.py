"""Run a command, and fail when the machine is not as it was before: `python -m tests.guard COMMAND...`.

The status is the command's own; 1 where it succeeds and the machine was changed.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import subprocess
import sys

from tests.guard import judge, processes
from tests.guard.machine import Machine, Watch

_SET_CHILD_SUBREAPER = 36
STORE = (
    "store *",
    "name /run/containers",
    "name /run/user/*/containers",
    "name /var/lib/containers",
    "name */.local",
    "name */.local/share",
    "name */.local/share/containers",
)
"""What the first build on a machine makes in the caller's own container store, and above it."""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.guard", description=__doc__)
    parser.add_argument(
        "--store", action="store_true", help="the command builds in the caller's own container store"
    )
    parser.add_argument(
        "--expect", action="append", default=[], metavar="PATTERN",
        help="things that may differ afterwards, as their lines begin: 'name /srv/*'",
    )  # fmt: skip
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="with its words")
    asked = parser.parse_args()
    command = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
    if not command:
        parser.error("say which command to run")
    expected = [
        *asked.expect,
        *(STORE if asked.store else ()),
        *judge.patterns(os.environ.get(judge.EXPECT, "")),
    ]
    watch = Watch(Machine.here())
    before = watch.whole()
    try:
        status = run(command)
    except OSError as error:
        sys.stderr.write(f"guard: {command[0]}: {error.strerror}\n")
        return 127
    alive = processes.lasting(lambda: processes.below(os.getpid()))
    ends = judge.differences(before, watch.whole(), expected)
    lines = [difference.text() for difference in ends]
    lines += [finding.difference.text() for finding in judge.left(alive)]
    for line in lines:
        sys.stderr.write(f"guard: {line}\n")
    return status or (1 if lines else 0)


def run(command: list[str]) -> int:
    """Run a command to its end; its status, as a shell has it.

    Whatever it leaves running becomes a child of this process, however it hides.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(command)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda heard, _: child.send_signal(heard))
    # A terminal sends this one to the command as well.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child.pid:
            code = os.waitstatus_to_exitcode(status)
            child.returncode = code
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
