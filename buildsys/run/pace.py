"""Time as limits count it: seconds of a machine that has room for what is tried.

A limit says how long a command may take, not how busy the machine may be meanwhile. Where more wants to run
than there are processors, each gets its share only, and a second of the clock counts as that share of a
second. So a command that is slow for want of a processor is waited for, and one that hangs still ends.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

MOST = 40.0
"""Seconds of the clock that one second may take, however busy the machine is."""
LOAD = Path("/proc/loadavg")


class Pace:
    """A clock for limits; `factor` is how much longer everything may take than was written."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self._lock = threading.Lock()
        self._read = time.monotonic()
        self._now = 0.0

    def now(self) -> float:
        """Seconds since it was made. To be asked often: each answer looks at what the machine does."""
        with self._lock:
            read = time.monotonic()
            self._now += (read - self._read) / (self.factor * crowd())
            self._read = read
            return self._now

    def longest(self, limit: float) -> float:
        """Seconds of the clock that `limit` seconds may take at most."""
        return limit * self.factor * MOST


def crowd() -> float:
    """How many want each processor that we may use; at least 1."""
    try:
        words = LOAD.read_text("ascii").split()
        # What runs now, and, for who waits for disks, the mean of the last minute.
        wanting = max(float(words[3].partition("/")[0]), float(words[0]))
    except (OSError, ValueError, IndexError):
        return 1.0
    return min(max(wanting / len(os.sched_getaffinity(0)), 1.0), MOST)
