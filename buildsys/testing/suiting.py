"""What podman needs on this host to run a container at all: tried, not guessed, as buildah's isolation is.

A container is asked to run a program that no image has. To find that out the runtime must have made all the
rest, and podman says so by a status of its own; any other says that this host does not allow it like that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildsys import files
from buildsys.testing.podman import Podman

NOT_FOUND = 127
"""podman's exit status where the runtime has everything but the program."""
NOWHERE = "/buildsys/is-there-a-container"


@dataclass(frozen=True, slots=True)
class Suit:
    """One way to have podman run containers."""

    words: str
    """What it is, for people."""
    containers: Sequence[str] = ()
    """Lines of containers.conf below [containers]."""
    engine: Sequence[str] = ()
    """Lines below [engine]."""

    def text(self) -> str:
        """A containers.conf."""
        lines = [
            f"# Found by trying: {self.words}.",
            "[containers]",
            *self.containers,
            "[engine]",
            *self.engine,
        ]
        return "\n".join(lines) + "\n"


LIMITS = ('default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]',)
"""Within what any host lets a container have."""
CGROUPFS = ('cgroup_manager = "cgroupfs"', 'events_logger = "file"')
"""For hosts where systemd does not run."""
SUITS = (
    Suit("as this host has it"),
    Suit("few open files and processes", LIMITS),
    Suit("cgroupfs", (), CGROUPFS),
    Suit("few open files and processes, cgroupfs", LIMITS, CGROUPFS),
    Suit("few open files and processes, cgroupfs, runc", LIMITS, (*CGROUPFS, 'runtime = "runc"')),
    Suit("few open files and processes, cgroupfs, crun", LIMITS, (*CGROUPFS, 'runtime = "crun"')),
    Suit(
        "few open files and processes, no cgroups, crun",
        (*LIMITS, 'cgroups = "disabled"'),
        (*CGROUPFS, 'runtime = "crun"'),
    ),
)
"""From the host's own to the most modest."""


class NothingSuits(Exception):  # noqa: N818 - reads as what happened
    """This host runs no container, whichever way; carries what podman said of the first one."""


def suit(podman: Podman, image: str, notebook: Path) -> str:
    """Have podman run containers as it works on this host; how, in words. It is written down in `notebook`.

    What worked the last time is tried first.

    Raises:
        NothingSuits: no container can be run.
    """
    before = _read(notebook)
    first = ""
    for way in sorted(SUITS, key=lambda way: way.text() != before):
        files.write(notebook, way.text())
        podman.configuration = notebook if way.containers or way.engine else None
        words = ("run", "--rm", "--network", "none", "--pull", "never", "--user", "0:0")
        said = podman.call(*words, "--name", podman.name("trial"), "--entrypoint", NOWHERE, image)
        if said.status == NOT_FOUND:
            return way.words
        first = first or said.complaint
    raise NothingSuits(first)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
