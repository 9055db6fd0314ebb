"""podman on one container store: calls with time limits, and the configuration that works on this host."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from buildsys import files, programs
from buildsys.interrupts import Interrupted
from buildsys.testing.pace import Pace

PATIENCE = 120.0
"""Default limit in seconds: for calls that read state, create or remove something."""
LOOK = 0.5
"""Seconds between two measurements of the load of the machine."""
LONGEST = 1 << 20
"""Bytes of the output of a call that are kept: the last ones."""


class NothingWorks(Exception):  # noqa: N818 - reads as what happened
    """podman runs no container here with any configuration; carries its error message with the host's own."""


@dataclass(frozen=True, slots=True)
class Done:
    """A call that ended."""

    status: int
    """Exit status; negative: the signal that killed it."""
    out: str
    err: str
    seconds: float
    timed_out: bool = False

    @property
    def output(self) -> str:
        """Everything it wrote, stdout first."""
        return self.out + self.err

    @property
    def complaint(self) -> str:
        """The error message of podman: its last line."""
        if self.timed_out:
            return f"podman took longer than {self.seconds:.0f}s"
        lines = [line for line in self.err.splitlines() if line.strip()]
        return lines[-1].removeprefix("Error: ") if lines else f"exit status {self.status}"


@dataclass(slots=True)
class Podman:
    """The program with its container store and its configuration."""

    store: str
    """Options of buildah and podman that select the container store."""
    prefix: str
    """Prefix of the names of all containers and pods of this run."""
    state: Path
    """Directory for notes of mounted images: the `state/` of a plan."""
    pace: Pace = field(default_factory=Pace)
    """The clock for limits."""
    configuration: Path | None = None
    """A containers.conf for this host; None: the host's own."""
    _running: set[programs.Running] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def name(self, *words: str) -> str:
        """The name of a container or a pod."""
        return "-".join((self.prefix, *words))

    def call(self, *words: str, timeout: float = PATIENCE) -> Done:
        """Run podman; after `timeout` seconds of `pace` the client is killed, not the container.

        Raises:
            Interrupted: the run is to end.
        """
        began, end = time.monotonic(), self.pace.now() + timeout
        with self._lock:
            if self._ended.is_set():
                raise Interrupted
            # In a session of its own it gets no SIGINT from the terminal: `end` ends it.
            running = programs.start(self._argv(words), self._environment(), captured=True)
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
        return Done(running.returncode, out, err, time.monotonic() - began, timed_out)

    def _ends(self, running: programs.Running, end: float) -> bool:
        """Wait until `end` on the clock of limits; whether the call ended."""
        while (left := end - self.pace.now()) > 0:
            with contextlib.suppress(programs.TimedOut):
                running.wait(min(left, LOOK))
                return True
        return running.poll() is not None

    def pause(self, seconds: float) -> None:
        """Sleep.

        Raises:
            Interrupted: the run is to end.
        """
        if self._ended.wait(seconds):
            raise Interrupted

    def end(self) -> None:
        """Kill all calls; afterwards only `remove` and `clear` work."""
        with self._lock:
            self._ended.set()
            for running in self._running:
                running.send_signal(signal.SIGKILL)

    def remove(self, containers: Iterable[str] = (), pods: Iterable[str] = ()) -> None:
        """Remove containers and pods with their anonymous volumes, running or not; ignore missing ones."""
        # podman removes the volumes of a pod by itself.
        for verb, names in ((("pod", "rm"), list(pods)), (("rm", "--volumes"), list(containers))):
            if names:
                self._always(*verb, "--force", "--ignore", "--time", "0", *names)

    @contextmanager
    def mounted(self, image: str) -> Iterator[str]:
        """Mount the files of an image read-only; the path.

        Raises:
            OSError: podman cannot mount it.
        """
        note = self.state / f"mounted.{image}"
        note.touch()
        done = self.call("image", "mount", image)
        if done.status:
            note.unlink()
            raise OSError(f"podman cannot mount it: {done.complaint}")
        try:
            yield done.out.strip()
        finally:
            self._unmount(note)

    def clear(self) -> None:
        """Remove all containers, pods and mounts of this plan, also those of killed runs."""
        name = f"name=^{self.prefix}-"
        pods = self._always("pod", "ps", "--filter", name, "--format", "{{.Name}}").split()
        containers = self._always("ps", "--all", "--filter", name, "--format", "{{.Names}}").split()
        self.remove(containers, pods)
        for note in self.state.glob("mounted.*"):
            self._unmount(note)

    def _unmount(self, note: Path) -> None:
        self._always("image", "unmount", note.name.removeprefix("mounted."))
        note.unlink(missing_ok=True)

    def _always(self, *words: str) -> str:
        """Run podman even after `end`; its stdout, empty if it takes too long."""
        with contextlib.suppress(programs.TimedOut):
            argv, env = self._argv(words), self._environment()
            return programs.run(argv, env=env, session=True, timeout=PATIENCE).out
        return ""

    def _argv(self, words: Sequence[str]) -> list[str]:
        return ["podman", *shlex.split(self.store), "--log-level", "fatal", *words]

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if self.configuration is not None:
            environment["CONTAINERS_CONF"] = str(self.configuration.absolute())
        return environment


class _Reader:
    """Reads a pipe to its end and keeps its last bytes: containers write without bounds."""

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
        """The kept output. Do not wait for processes that inherited the pipe and outlive the program."""
        self._thread.join(timeout=1)
        return bytes(self._kept).decode("utf-8", errors="replace")


def environment_options(env: Mapping[str, str]) -> list[str]:
    """Options that set variables in a container."""
    return [word for name, value in env.items() for word in ("--env", f"{name}={value}")]


# ── the configuration that works on this host ───────────────────────────────────────────────────────────────

MISSING_PROGRAM = "/buildsys/is-there-a-container"
"""A path that no image has. To report it as missing, the runtime must have done everything else."""
NOT_FOUND = 127
"""podman-run(1), exit status: the command is not in the container. Any other one: no container can be run."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A containers.conf that makes podman work on certain hosts."""

    about: str
    """A description for people."""
    containers: Sequence[str] = ()
    """Lines of the section [containers]."""
    engine: Sequence[str] = ()
    """Lines of the section [engine]."""

    def text(self) -> str:
        """The file."""
        lines = (
            f"# Found by trying: {self.about}.",
            "[containers]",
            *self.containers,
            "[engine]",
            *self.engine,
        )
        return "\n".join(lines) + "\n"


LIMITS = ('default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]',)
"""Limits that every host grants to a container."""
CGROUPFS = ('cgroup_manager = "cgroupfs"', 'events_logger = "file"')
"""For hosts without systemd."""
CONFIGURATIONS = (
    Configuration("as this host has it"),
    Configuration("few open files and processes", LIMITS),
    Configuration("cgroupfs", (), CGROUPFS),
    Configuration("few open files and processes, cgroupfs", LIMITS, CGROUPFS),
    Configuration("few open files and processes, cgroupfs, runc", LIMITS, (*CGROUPFS, 'runtime = "runc"')),
    Configuration("few open files and processes, cgroupfs, crun", LIMITS, (*CGROUPFS, 'runtime = "crun"')),
    Configuration(
        "few open files and processes, no cgroups, crun",
        (*LIMITS, 'cgroups = "disabled"'),
        (*CGROUPFS, 'runtime = "crun"'),
    ),
)
"""From the host's own to the one with the fewest requirements."""


def configure(podman: Podman, image: str, notebook: Path) -> str:
    """Find a configuration with which podman runs a container of this image, and use it; its description.

    Tried, not guessed, as buildah's isolation is. The file `notebook` keeps it for the next time.

    Raises:
        NothingWorks: podman runs no container with any of them.
    """
    before = notebook.read_text("utf-8") if notebook.is_file() else ""
    first = ""
    for way in sorted(CONFIGURATIONS, key=lambda way: way.text() != before):
        files.write(notebook, way.text())
        podman.configuration = notebook if way.containers or way.engine else None
        words = ("run", "--rm", "--network", "none", "--pull", "never", "--user", "0:0")
        done = podman.call(*words, "--name", podman.name("trial"), "--entrypoint", MISSING_PROGRAM, image)
        if done.status == NOT_FOUND:
            return way.about
        first = first or done.complaint
    raise NothingWorks(first)
