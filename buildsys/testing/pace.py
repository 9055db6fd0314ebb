"""A clock for time limits that runs slower on a busy machine.

A limit states how long a command may take, not how busy the machine may be meanwhile. Where more processes
want to run than there are processors, each gets only a share, so a second of the wall clock counts as that
share of a second. A command that is slow because it waits for a processor is not killed; one that hangs is.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

MOST = 40.0
"""Upper limit of the slow-down, so that every limit ends at some time."""
LOAD = Path("/proc/loadavg")


class Pace:
    """A clock for limits; every limit is multiplied by `factor`."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self._lock = threading.Lock()
        self._read = time.monotonic()
        self._now = 0.0

    def now(self) -> float:
        """Seconds on this clock since it was created. Call it often: each call measures the load."""
        with self._lock:
            read = time.monotonic()
            self._now += (read - self._read) / (self.factor * crowd())
            self._read = read
            return self._now

    def longest(self, limit: float) -> float:
        """Upper bound in seconds of the wall clock for `limit` seconds on this clock."""
        return limit * self.factor * MOST


def crowd() -> float:
    """Processes per processor available to this one; at least 1, at most MOST."""
    try:
        words = LOAD.read_text("ascii").split()
        # proc(5): entities that run now (4th field); the 1-minute average also counts waiting for disks.
        wanting = max(float(words[3].partition("/")[0]), float(words[0]))
    except (OSError, ValueError, IndexError):
        return 1.0
    return min(max(wanting / len(os.sched_getaffinity(0)), 1.0), MOST)
