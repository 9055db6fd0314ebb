"""The lines of a Containerfile while it is written, and the files of its context."""

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
"""Program -> files that the context must have for it, by name."""
SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
"""A path that needs no quotes, neither for a shell nor for a builder."""


class Lines:
    """The lines so far. Consecutive commands become one RUN, and so one layer."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.links: dict[str, Path] = {}
        self.lines: list[str] = []
        self._pending: list[tuple[str, str]] = []
        self._spot = self._last = ""

    def at(self, spot: Spot | None) -> None:
        """Set the spot of the following lines; None: they have none."""
        self._spot = str(spot) if spot else ""

    def say(self, *lines: str) -> None:
        """Add lines unchanged."""
        self.flush()
        self.lines += lines

    def place(self, text: str) -> None:
        """Add a line below a comment with its spot."""
        self.flush()
        if self._spot != self._last:
            self.lines.append(comment(self._spot))
        self._last = self._spot
        self.lines.append(text)

    def run(self, *argv: str) -> None:
        """Add a command, and the files that it needs to the context."""
        self._provide(argv)
        if any("\n" in item for item in argv):
            # In the shell form a line break ends the instruction.
            self.place(f"RUN {json.dumps(list(argv))}")
        else:
            self._pending.append((self._spot, line(argv)))

    def verb(self, *words: str) -> None:
        """Add a command of verbs.sh."""
        self.run("sh", VERBS, *words)

    def commands(self, argvs: Sequence[tuple[str, ...]]) -> list[str]:
        """Commands as one RUN for another stage; the files that they need are added to the context."""
        for argv in argvs:
            self._provide(argv)
        return _run_lines(chain((self._spot, line(argv)) for argv in argvs))

    def _provide(self, argv: Sequence[str]) -> None:
        for tool, files in TOOLS.items():
            if tool in argv:
                self.links |= {f"buildsys/{name}": path for name, path in files.items()}

    def room(self, path: str) -> None:
        """Create the parent directory of a path, or the path itself if it ends in a slash."""
        folder = path if path.endswith("/") else posixpath.dirname(path)
        if folder.strip("/"):
            self.run("mkdir", "-p", folder)

    def own(self, owner: str, mode: str, *paths: str) -> None:
        """Set owner and mode; empty: keep."""
        if owner:
            self.run("chown", owner, *paths)
        if mode:
            self.run("chmod", mode, *paths)

    def carry(self, path: str, source: Path, to: str) -> None:
        """Copy a file of the context; by cp where COPY would interpret characters of a path."""
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
        """Write the pending commands as one RUN."""
        if self._pending:
            self.lines += _run_lines(chain(self._pending, self._last))
            self._last = self._pending[-1][0]
            self._pending = []

    def runs(self) -> bool:
        """Whether there is a RUN."""
        return bool(self._pending) or any(text.startswith("RUN ") for text in self.lines)

    def cares(self) -> bool:
        """Whether the context has files that are removed at the end."""
        return any(name.startswith("buildsys/") for name in (*self.texts, *self.links))


def _run_lines(lines: Sequence[str]) -> list[str]:
    """Lines of shell as one RUN, with a leading comment above it."""
    above = [text for text in lines[:1] if text.startswith("#")]
    first, *rest = lines[len(above) :]
    return [*above, f"RUN {first}", *(f"    {text}" for text in rest)]
