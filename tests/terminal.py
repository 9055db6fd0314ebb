"""A pseudo-terminal with a program in it, and the screen that a person sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

PATIENCE = 60.0
"""Seconds that a program has to draw what a test waits for."""


class Terminal:
    """A program on a terminal of its own, in a session of its own; a context that ends it."""

    def __init__(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=1000)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        """All that the program has written."""
        self._side, other = pty.openpty()
        self._size(other, columns, rows)
        # setsid makes it the controlling terminal; a fork in Python would copy threads of pytest.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *argv], cwd=cwd, env=env, stdin=other, stdout=other, stderr=other
        )
        os.close(other)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._side)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, as a person who drags its corner."""
        self.screen.resize(rows, columns)
        self._size(self._side, columns, rows)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._side, keys.encode())

    def until(self, condition: Callable[[], object]) -> None:
        """Read until the screen is as wanted."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"not shown:\n{self.text}"
            self._read(0.05)

    def shows(self, text: str) -> None:
        """Read until this text is on the screen."""
        self.until(lambda: text in self.text)

    def end(self) -> int:
        """Read until the program has ended; returns its exit status, negative for a signal."""
        end = time.monotonic() + PATIENCE
        while (status := self.process.poll()) is None:
            assert time.monotonic() < end, f"not ended:\n{self.text}"
            self._read(0.02)
        while self._read(0.05):
            pass
        return status

    @property
    def text(self) -> str:
        """What the screen shows, without blanks at the ends of lines and lines below the last text."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def steady(self) -> str:
        """The same, with all times alike."""
        return re.sub(r"\b\d+:\d\d\b", "0:00", self.text)

    @property
    def all_text(self) -> str:
        """What the screen shows, and what has left it at the top."""
        above = [
            "".join(line[column].data for column in range(self.screen.columns)).rstrip()
            for line in self.screen.history.top
        ]
        return "\n".join([*above, self.text])

    def _read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._side], [], [], seconds)
        data = b""
        if ready:
            try:
                data = os.read(self._side, 1 << 16)
            except OSError:
                # No program has the terminal open any more.
                time.sleep(seconds)
        self.written += data
        self._stream.feed(data)
        return data

    def _size(self, descriptor: int, columns: int, rows: int) -> None:
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
