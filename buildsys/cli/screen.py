"""The terminal during a build: a line for each image that has ended, and below them what goes on now.

The lower part is drawn again and again. Between two drawings the cursor stays at its beginning: a terminal
that changes its size moves lines and cursor together, so the next drawing starts at the right place.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.style import Style

from buildsys.cli.output import in_colour
from buildsys.cli.surroundings import takes_unicode
from buildsys.files import try_lock
from buildsys.logins import masked
from buildsys.plan.read import ENDS, Event
from buildsys.run.record import Activity, Progress, Record, progress

CLEAR, HIDE, SHOW = "\r\x1b[J", "\x1b[?25l", "\x1b[?25h"
"""Clear from the cursor to the end of the screen; hide and show the cursor."""
CUT, FOLD = "\x1b[?7l", "\x1b[?7h"
"""Cut lines that are too long; fold them, as usual."""
WORDS = {
    "": "begins",
    "begin": "begins",
    "pull": "pulls its base image",
    "sources": "opens sources of copies",
    "packages": "packages",
    "files": "files",
    "run": "run",
    "context": "context",
    "containerfile": "Containerfile",
    "configuration": "configuration",
    "commit": "commit",
}
"""What a step does, by the word of the event `doing`."""
FEWEST_COLUMNS, FEWEST_ROWS = 20, 4
"""A smaller terminal gets plain lines."""
WIDEST = 32
"""Columns of the longest name; longer ones are cut."""


def is_usable() -> bool:
    """Whether a build can be drawn here: on a terminal with a cursor, which no other build draws on."""
    if os.environ.get("TERM", "dumb") == "dumb" or not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    if _is_in_background():
        return False
    try:
        # The lock stays until this process ends.
        if try_lock(Path(os.ttyname(1))) is None:
            return False
    except OSError:
        # It may be another user's, as after `su`.
        pass
    size = os.get_terminal_size(1)
    return size.columns >= FEWEST_COLUMNS and size.lines >= FEWEST_ROWS


class Screen:
    """Draws one run of a plan; a `View` of `buildsys.run.foreground`."""

    def __init__(self, directory: Path, run: str) -> None:
        """`run`: the id of the run, as it writes it into its record."""
        self._record = Record(directory, run)
        self._progress: Progress = progress(directory)
        self._system = ColorSystem.STANDARD if in_colour() else None
        self._unicode = takes_unicode()
        self._since = time.time()
        self._rest = ""
        self._drawn = ""
        self._interrupted = False
        self._hidden = False
        self._apart = False
        self._left: tuple[int, float | None] = (0, None)

    def __enter__(self) -> Self:
        """Hide the cursor, and draw."""
        self._draw([])
        return self

    def __exit__(self, *_: object) -> None:
        """Show what the run printed last, and the cursor."""
        rest, self._rest = self._rest, ""
        self._write(CLEAR + (self._shown(rest) + "\n" if rest else "") + SHOW)

    def text(self, text: str) -> None:
        """Show lines that the run printed, above the images in progress."""
        *lines, self._rest = (self._rest + text).split("\n")
        if lines:
            # A blank line keeps the end of a report apart from what goes on.
            self._apart = lines[-1] != ""
            self._draw([self._shown(line) for line in lines])

    def tick(self) -> None:
        """Read the record; draw news, and each second the times."""
        events = self._record.new()
        lines = [line for event in events for line in self._line(event)]
        self._apart &= not lines
        if lines or events or self._lower() != self._drawn:
            self._draw(lines)

    def resize(self) -> None:
        """Draw again in the new size."""
        self._draw([])

    def interrupt(self) -> None:
        """Say that the run ends."""
        self._interrupted = True
        # Terminals show ^C where the cursor is.
        self._draw([])

    def suspend(self) -> None:
        """Clear the lower part, and show the cursor."""
        self._write(CLEAR + SHOW)
        self._drawn, self._hidden = "", False

    def resume(self) -> None:
        """Draw again."""
        self._draw([])

    # ── what is drawn ───────────────────────────────────────────────────────────────────────────────────────

    def _draw(self, lines: Sequence[str]) -> None:
        above = "".join(f"{line}\n" for line in lines)
        if _is_in_background():
            # The terminal belongs to another program now; what has ended may be printed.
            if above:
                self._write(above)
            return
        self._drawn = self._lower()
        rows = self._drawn.count("\n")
        up = f"\x1b[{rows}A" if rows else ""
        hide = "" if self._hidden else HIDE
        self._hidden = True
        # On a terminal that has just become narrower a folded line would take a row that is not counted.
        self._write(f"{hide}{CLEAR}{above}{CUT}{self._drawn}{FOLD}{up}\r")

    def _lower(self) -> str:
        """The lower part: images in progress, and a line about all of the run."""
        columns, rows = self._size()
        now = time.time()
        works = sorted(self._progress.running.values(), key=lambda work: work.since)
        most = max(rows - 4, 1)
        lines = [self._work(work, now, columns) for work in works[:most]]
        if len(works) > most:
            lines[-1] = f"{' ' * self._margin()}and {len(works) - most + 1} more"
        return "\n".join([*([""] if self._apart else ()), *lines, self._footer(now, columns)])

    def _work(self, work: Activity, now: float, columns: int) -> str:
        what = WORDS.get(work.what, work.what)
        if work.what == "packages" and work.count:
            what = f"{work.count} {what}" if work.count > 1 else "1 package"
        elif work.what in {"run", "containerfile"} and work.at:
            what = f"{what} {Path(work.at.rsplit(':', 1)[0]).name}"
        before = f"{' ' * self._margin()}{self._name(work.image, columns)} {duration(now - work.since):>7}  "
        return before + self._style("cyan", self._cut(what, columns - 1 - cell_len(before)))

    def _footer(self, now: float, columns: int) -> str:
        state = self._progress
        passed = duration(now - (state.began or self._since))
        if self._interrupted:
            return self._cut(f"stopping: the steps end {passed}", columns - 1)
        if not state.images:
            return self._cut(f"looking at the store {passed}", columns - 1)
        parts = [f"{state.done}/{len(state.images)}"]
        if state.failed:
            parts.append(f"{state.failed} failed")
        if state.blocked:
            parts.append(f"{len(state.blocked)} blocked")
        parts.append(passed)
        if self._left[0] != int(now):
            self._left = int(now), state.left(now)
        left = self._left[1]
        if state.done + len(state.blocked) >= len(state.images):
            parts.append("ends")
        elif left is not None:
            parts.append(rounded(left))
        while len(parts) > 2 and len(", ".join(parts)) > columns - 1:
            del parts[-1]
        text = ", ".join(parts)
        room = min(columns - len(text) - 3, 30)
        if room >= 10:
            return f"{self._bar(room)} {self._failing(text, state)}"
        return self._cut(text, columns - 1)

    def _failing(self, text: str, state: Progress) -> str:
        return self._style("red", text) if state.failed else text

    def _bar(self, room: int) -> str:
        full, empty = ("━", "─") if self._unicode else ("#", ".")
        filled = room * self._progress.done // len(self._progress.images)
        colour = "red" if self._progress.failed else "green"
        return self._style(colour, full * filled) + self._style("dim", empty * (room - filled))

    def _line(self, event: Event) -> Iterator[str]:
        """Add an event to the progress; yields the line of an image that has ended."""
        self._progress.take(event)
        if event.event not in ENDS or "seconds" not in event.data:
            return
        total = str(len(self._progress.images) or 1)
        count = self._style("dim", f"[{self._progress.done:>{len(total)}}/{total}]")
        name = self._name(event.image, self._size()[0])
        note = {"failed": self._style("bold red", "  FAILED"), "fresh": self._style("dim", "  fresh")}
        yield f"{count} {name} {event.data['seconds']:>7} s{note.get(event.event, '')}"

    def _margin(self) -> int:
        """Columns before a name: the width of a counter."""
        return 2 * len(str(len(self._progress.images) or 1)) + 4

    def _name(self, name: str, columns: int) -> str:
        longest = max(map(cell_len, self._progress.images), default=cell_len(name))
        return set_cell_size(self._cut(name, width := min(longest, WIDEST, columns * 2 // 5)), width)

    def _cut(self, text: str, room: int) -> str:
        """The text, cut to this number of columns if it is longer."""
        if cell_len(text) <= room:
            return text
        sign = "…" if self._unicode else "~"
        return set_cell_size(text, max(room - 1, 0)) + sign

    def _shown(self, line: str) -> str:
        name = line.partition(" ")[0]
        if self._progress.ended.get(name) == "failed":
            return self._style("bold red", masked(line))
        for word, style in (("error:", "bold red"), ("hint:", "bold"), ("note:", "dim")):
            before, found, after = line.partition(word)
            if found and not before.strip():
                return before + self._style(style, word) + masked(after)
        return masked(line)

    def _style(self, style: str, text: str) -> str:
        if self._system is None or not text:
            return text
        return Style.parse(style).render(text, color_system=self._system)

    # ── the terminal ────────────────────────────────────────────────────────────────────────────────────────

    def _size(self) -> tuple[int, int]:
        """Columns and rows."""
        try:
            size = os.get_terminal_size(1)
        except OSError:
            return 80, 24
        return max(size.columns, FEWEST_COLUMNS), max(size.lines, FEWEST_ROWS)

    def _write(self, text: str) -> None:
        # The terminal may be gone; the run goes on to its end.
        with suppress(OSError):
            encoding = sys.stdout.encoding or "utf-8"
            data = text.encode("utf-8" if self._unicode else encoding, "replace")
            while data:
                data = data[os.write(1, data) :]


def _is_in_background() -> bool:
    """Whether another process group has the terminal, as after `bg` in a shell."""
    try:
        return os.tcgetpgrp(1) != os.getpgrp()
    except OSError:
        return False


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `0:07`, `12:30`, `1:02:03`."""
    whole = max(int(seconds), 0)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def rounded(seconds: float) -> str:
    """An estimate of the rest, no more exact than it is: `about 40 s left`, `about 3 min left`."""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 55:
        return f"about {round(seconds, -1):.0f} s left"
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return f"about {minutes} min left"
    return f"about {minutes // 60} h {minutes % 60:02} min left"
