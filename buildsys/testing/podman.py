"""podman on one container store: every call has a time limit, and all of them end when the run does."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from buildsys import programs
from buildsys.run.pace import Pace

PATIENCE = 120.0
"""Seconds a call may take that only asks, or puts something in place."""
LOOK = 0.5
"""Seconds between two looks at how busy the machine is."""
LONGEST = 1 << 20
"""Bytes that are kept of what a command says: those at its end."""


class Interrupted(Exception):  # noqa: N818 - reads as what happened
    """The run is to end: nothing is begun any more."""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a call."""

    status: int
    out: str
    err: str
    seconds: float
    timed_out: bool = False

    @property
    def all(self) -> str:
        """What it wrote, to stdout first."""
        return self.out + self.err

    @property
    def complaint(self) -> str:
        """The last thing podman itself said."""
        if self.timed_out:
            return f"podman took longer than {self.seconds:.0f}s"
        lines = [line for line in self.err.splitlines() if line.strip()]
        return lines[-1].removeprefix("Error: ") if lines else f"exit status {self.status}"


@dataclass(slots=True)
class Podman:
    """The program, with what chooses its store and what suits this host."""

    store: str
    """Options of buildah and podman that choose the container store."""
    prefix: str
    """What the names of all containers and pods of this run begin with."""
    state: Path
    """The plan's directory for what only runs need."""
    pace: Pace = field(default_factory=Pace)
    """The clock that limits are counted by."""
    configuration: Path | None = None
    """A containers.conf that suits this host; None: its own."""
    _running: set[programs.Running] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def name(self, *words: str) -> str:
        """The name of a container or a pod."""
        return "-".join((self.prefix, *words))

    def call(self, *words: str, timeout: float = PATIENCE) -> Said:
        """Run podman; what is still going on after `timeout` seconds of `pace` is killed, the client only.

        Raises:
            Interrupted: the run is to end.
        """
        argv = ["podman", *shlex.split(self.store), "--log-level", "fatal", *words]
        began, end = time.monotonic(), self.pace.now() + timeout
        with self._lock:
            if self._ended.is_set():
                raise Interrupted
            # A session of its own: who interrupts us from a terminal leaves the end to us.
            running = programs.start(argv, self._environment(), captured=True)
            self._running.add(running)
        readers = [_Reader(pipe) for pipe in (running.stdout, running.stderr) if pipe is not None]
        try:
            timed_out = not self._ends(running, end)
            if timed_out:
                running.kill()
                running.wait()
        finally:
            with self._lock:
                self._running.discard(running)
        out, err = (reader.text() for reader in readers)
        if self._ended.is_set() and not timed_out:
            raise Interrupted
        seconds = time.monotonic() - began
        return Said(running.returncode, out, err, seconds, timed_out)

    def _ends(self, running: programs.Running, end: float) -> bool:
        """Whether a call ends before the pace's clock says `end`."""
        while (left := end - self.pace.now()) > 0:
            with contextlib.suppress(programs.TimedOut):
                running.wait(min(left, LOOK))
                return True
        return running.poll() is not None

    def pause(self, seconds: float) -> None:
        """Wait a while.

        Raises:
            Interrupted: the run is to end.
        """
        if self._ended.wait(seconds):
            raise Interrupted

    def end(self) -> None:
        """End what is going on; nothing is begun afterwards but `remove`."""
        with self._lock:
            self._ended.set()
            for running in self._running:
                running.send_signal(signal.SIGKILL)

    def remove(self, containers: Iterable[str] = (), pods: Iterable[str] = ()) -> None:
        """Remove containers and pods, whatever they do; those that are not there are no matter.

        The volumes that podman makes for an image's own go with them: a pod's by themselves.
        """
        for verb, names in ((("pod", "rm"), list(pods)), (("rm", "--volumes"), list(containers))):
            if names:
                self._plain(*verb, "--force", "--ignore", "--time", "0", *names)

    @contextmanager
    def mounted(self, image: str) -> Iterator[str]:
        """The place where an image's files can be read meanwhile.

        Raises:
            OSError: podman cannot mount it.
        """
        note = self.state / f"mounted.{image}"
        note.touch()
        said = self.call("image", "mount", image)
        if said.status:
            note.unlink()
            raise OSError(f"podman cannot mount it: {said.complaint}")
        try:
            yield said.out.strip()
        finally:
            self._unmount(note)

    def clear(self) -> None:
        """Remove all that earlier runs of this plan left, or this one."""
        containers, pods = self._leftovers()
        self.remove(containers, pods)
        for note in self.state.glob("mounted.*"):
            self._unmount(note)

    def _unmount(self, note: Path) -> None:
        self._plain("image", "unmount", note.name.removeprefix("mounted."))
        note.unlink(missing_ok=True)

    def _leftovers(self) -> tuple[list[str], list[str]]:
        name = f"name=^{self.prefix}-"
        pods = self._plain("pod", "ps", "--filter", name, "--format", "{{.Name}}").split()
        rows = self._plain("ps", "--all", "--filter", name, "--format", "{{.Names}}").split()
        return rows, pods

    def _plain(self, *words: str) -> str:
        argv = ["podman", *shlex.split(self.store), "--log-level", "fatal", *words]
        with contextlib.suppress(programs.TimedOut):
            return programs.run(argv, env=self._environment(), session=True, timeout=PATIENCE).out
        return ""

    def _environment(self) -> dict[str, str]:
        # Containers get no proxy of the host's: they have no network.
        environment = dict(os.environ)
        if self.configuration is not None:
            environment["CONTAINERS_CONF"] = str(self.configuration.absolute())
        return environment


class _Reader:
    """Reads a pipe to its end and keeps the last of it: what a container says knows no bounds."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe as pipe:
            while chunk := os.read(pipe.fileno(), 1 << 16):
                self._kept += chunk
                del self._kept[:-LONGEST]

    def text(self) -> str:
        """What was kept. Who inherited the pipe and outlived its program is not waited for."""
        self._thread.join(timeout=1)
        return bytes(self._kept).decode("utf-8", errors="replace")


def environment_words(env: Iterable[tuple[str, str]]) -> Sequence[str]:
    """Options that put variables into a container."""
    return [word for name, value in env for word in ("--env", f"{name}={value}")]
