"""Whether programs of another platform run on this host, by an emulator that the kernel starts."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from buildsys import programs

ASKING = """. "$0" && find_lack "$1" "$2\""""
DECIDER = Path(__file__).parents[1] / "plan/runtime/platform.sh"
"""The part of each plan that decides the same before a run."""


def lack(platform: str) -> str | None:
    """The command that makes programs of a platform (`linux/arm64`) run here; None: they do run."""
    with TemporaryDirectory(prefix="buildsys-probe-") as place:
        done = programs.run(["bash", "-c", ASKING, str(DECIDER), platform, place])
    return done.out.strip() if done.status else None
