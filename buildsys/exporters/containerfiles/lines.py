"""The lines of a Containerfile as they are written, and the files of its context."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from buildsys.diagnostics import Spot
from buildsys.image.shell import FILES
from buildsys.packages.build_folder import CARE, DPKG, VERBS
from buildsys.shell import chain, comment, line

TOOLS = {
    VERBS: {
        "verbs.sh": Path(__file__).with_name("verbs.sh"),
        **{name: FILES[name] for name in ("accounts.sh", "edits.sh")},
    },
    DPKG: {"apt-inside.sh": FILES["apt-inside.sh"]},
}
"""What a context carries for whoever calls one of these."""
SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
"""A path that means the same to a shell and to a builder."""


class Lines:
    """What one image's Containerfile says so far. A stretch of commands is one RUN, so one layer."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.links: dict[str, Path] = {}
        self.said: list[str] = []
        self._pending: list[tuple[str, str]] = []
        self._spot = self._last = ""

    def at(self, spot: Spot | None) -> None:
        """What follows was written there; nowhere, if None."""
        self._spot = str(spot) if spot else ""

    def say(self, *lines: str) -> None:
        """Lines as they are."""
        self.flush()
        self.said += lines

    def place(self, text: str) -> None:
        """A line, below where it was written."""
        self.flush()
        if self._spot != self._last:
            self.said.append(comment(self._spot))
        self._last = self._spot
        self.said.append(text)

    def run(self, *argv: str) -> None:
        """A command; what it needs is in the context."""
        self._provide(argv)
        if any("\n" in item for item in argv):
            # In the shell's form a line break would end the instruction.
            self.place(f"RUN {json.dumps(list(argv))}")
        else:
            self._pending.append((self._spot, line(argv)))

    def verb(self, *words: str) -> None:
        """A command of verbs.sh."""
        self.run("sh", VERBS, *words)

    def commands(self, argvs: Sequence[tuple[str, ...]]) -> list[str]:
        """Commands as a RUN of its own, for elsewhere; what they need is in the context."""
        for argv in argvs:
            self._provide(argv)
        return _run_lines(chain((self._spot, line(argv)) for argv in argvs))

    def _provide(self, argv: Sequence[str]) -> None:
        for tool, files in TOOLS.items():
            if tool in argv:
                self.links |= {f"buildsys/{name}": path for name, path in files.items()}

    def room(self, path: str) -> None:
        """Make the directory that a path lies in, or that it is when it ends in a slash."""
        folder = path if path.endswith("/") else posixpath.dirname(path)
        if folder.strip("/"):
            self.run("mkdir", "-p", folder)

    def own(self, owner: str, mode: str, *paths: str) -> None:
        """Set owner and mode; empty: as they are."""
        if owner:
            self.run("chown", owner, *paths)
        if mode:
            self.run("chmod", mode, *paths)

    def carry(self, path: str, source: Path, to: str) -> None:
        """Copy a file of the context; by hand where its name or place would mean something to a builder."""
        if SAFE.fullmatch(path) and SAFE.fullmatch(to):
            self.links[path] = source
            self.place(f"COPY {path} {to}")
            return
        name = hashlib.sha256(path.encode()).hexdigest()[:16]
        self.links[f"buildsys/files/{name}"] = source
        self.room(to)
        self.run("rm", "-f", to)
        self.run("cp", f"{CARE}/files/{name}", to)

    def flush(self) -> None:
        """Write the commands of the stretch that ends here."""
        if self._pending:
            self.said += _run_lines(chain(self._pending, self._last))
            self._last = self._pending[-1][0]
            self._pending = []

    def runs(self) -> bool:
        """Whether a command is run."""
        return bool(self._pending) or any(text.startswith("RUN ") for text in self.said)

    def cares(self) -> bool:
        """Whether the context has a folder for what leaves again."""
        return any(name.startswith("buildsys/") for name in (*self.texts, *self.links))


def _run_lines(lines: Sequence[str]) -> list[str]:
    """Lines of shell as one RUN, the remark of the first above it."""
    above = [text for text in lines[:1] if text.startswith("#")]
    first, *rest = lines[len(above) :]
    return [*above, f"RUN {first}", *(f"    {text}" for text in rest)]
