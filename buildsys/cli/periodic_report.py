"""The report of a periodic build: what changed, for people (Markdown) and for programs (JSON)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildsys import files

if TYPE_CHECKING:
    from buildsys.diagnostics import Diagnostic

UNCHANGED, CHANGED, FAILED, INTERRUPTED, REFUSED = "unchanged", "changed", "failed", "interrupted", "refused"
"""Outcomes."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image that was built."""

    image: str
    reason: str
    seconds: float
    id: str
    is_new: bool
    """False: it came out as it was, and what is made from it was left alone."""


@dataclass(frozen=True, slots=True)
class Changed:
    """An image that has another id, or another reference, than after the last run that ended well."""

    image: str
    reference: str
    old: str
    """Its id then; empty: there was no such image."""
    new: str
    """Its id now."""
    reason: str
    is_built: bool
    """False: this run did not build it. It was in the store already, or an earlier run built it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An image that could not be built."""

    image: str
    at: str
    """file:line:column of what failed."""
    log: str
    """The log's file."""
    log_end: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unfit:
    """An image or a scenario whose test does not pass."""

    kind: str
    """`image` or `scenario`."""
    name: str
    mistakes: tuple[Diagnostic, ...]
    log: str
    """The file or folder that says more."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that an image's own steps now install in another version; empty: there was, or is, none."""

    image: str
    name: str
    arch: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved in the lock: of an image, or of what belongs to none. Equal versions: it was rebuilt."""

    image: str
    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a periodic build did."""

    set: str
    site: str
    began: str
    """Date and time, as in ISO 8601."""
    seconds: float = 0
    outcome: str = UNCHANGED
    built: tuple[Built, ...] = ()
    changed: tuple[Changed, ...] = ()
    """Images that are to be published again: in the order of the plan."""
    failed: tuple[Failed, ...] = ()
    blocked: tuple[str, ...] = ()
    """Images that were not reached: something they are made from failed, or the run was interrupted."""
    fresh: int = 0
    added: tuple[str, ...] = ()
    """Images that the set did not have the last time."""
    removed: tuple[str, ...] = ()
    packages: tuple[Package, ...] = ()
    lock: tuple[Moved, ...] = ()
    mistakes: tuple[Diagnostic, ...] = ()
    """Why nothing was built at all."""
    error: str = ""
    """Error that ended the run, if it is not a mistake in a recipe."""
    tried: int = 0
    """Images and scenarios that were tested; what had passed before is not."""
    unfit: tuple[Unfit, ...] = ()
    promoted: bool = False
    """Whether every test and scenario has passed with the images there are."""

    @property
    def is_changed(self) -> bool:
        """Whether anything is new since the last run that ended well: the one place where that is decided."""
        return bool(self.built or self.changed or self.added or self.removed)

    def json(self) -> str:
        """For programs."""
        data = {"version": 1, **asdict(self), "mistakes": _data(self.mistakes)}
        data["unfit"] = [{**asdict(item), "mistakes": _data(item.mistakes)} for item in self.unfit]
        return json.dumps(data, indent=1) + "\n"

    def markdown(self) -> str:
        """For people."""
        return "\n".join(_page(self)) + "\n"

    def sentence(self) -> str:
        """All of it in one line."""
        counts = [f"{len(self.built)} built", f"{self.fresh} fresh"]
        others = sum(not item.is_built for item in self.changed)
        counts += [f"{others} changed without a build"] if others else []
        counts += [f"{len(self.failed)} failed"] if self.failed else []
        counts += [f"{len(self.blocked)} not reached"] if self.blocked else []
        counts += [f"{self.tried} tried"] if self.tried else []
        counts += [f"{len(self.unfit)} unfit"] if self.unfit else []
        counts += ["promoted"] if self.promoted else []
        return f"{self.outcome}: {', '.join(counts)}"

    def write(self, directory: Path) -> None:
        """Write `report.md` and `report.json`, each whole."""
        for name, text in (("report.md", self.markdown()), ("report.json", self.json())):
            files.write(directory / name, text)


def _page(report: Report) -> Iterator[str]:
    yield f"# {report.set}, site {report.site}: {report.outcome}"
    yield ""
    yield f"{report.began}, {report.seconds:.1f} s. {report.sentence().partition(': ')[2].capitalize()}."
    if report.mistakes:
        yield from _section("Nothing was built")
        yield from _block(line for mistake in report.mistakes for line in mistake.text().splitlines())
    if report.error:
        yield from _section("Ended early")
        yield from _block(report.error.splitlines())
    if report.failed:
        yield from _section("Failed")
        for item in report.failed:
            yield f"* {item.image}, at `{item.at}`; its log is `{item.log}` and ends:"
            yield ""
            yield from _block(item.log_end, "  ")
    if report.unfit:
        yield from _section("Unfit")
    for unfit in report.unfit:
        yield f"* the {unfit.kind} {unfit.name}; the whole output is in `{unfit.log}`:"
        yield ""
        lines = (line for mistake in unfit.mistakes for line in mistake.text().splitlines())
        yield from _block(lines, "  ")
    if report.blocked:
        yield from _section("Not reached")
        yield ", ".join(report.blocked)
    for title, names in (("New in the set", report.added), ("No longer in the set", report.removed)):
        if names:
            yield from _section(title)
            yield ", ".join(names)
    if report.packages:
        yield from _section("Packages")
        rows = ((item.image, f"{item.name}.{item.arch}", item.old, _new(item)) for item in report.packages)
        yield from _table(("image", "package", "before", "now"), rows)
    if report.built:
        yield from _section("Built")
        yield from _table(
            ("image", "why", "seconds", "id"),
            ((item.image, item.reason, f"{item.seconds:.1f}", _id(item)) for item in report.built),
        )
    if others := [item for item in report.changed if not item.is_built]:
        yield from _section("Changed without a build")
        yield from _table(
            ("image", "why", "id before", "id now"),
            ((item.image, item.reason, item.old[:12], item.new[:12]) for item in others),
        )
    if report.lock:
        yield from _section("Moved in the lock")
        rows = ((item.image, item.name, item.old, _new(item)) for item in report.lock)
        yield from _table(("image", "what", "before", "now"), rows)


def _data(mistakes: Iterable[Diagnostic]) -> list[dict[str, object]]:
    return [mistake.data() for mistake in mistakes]


def _new(item: Package | Moved) -> str:
    return f"{item.new}, rebuilt" if item.old == item.new else item.new


def _id(built: Built) -> str:
    return built.id[:12] if built.is_new else f"{built.id[:12]}, as before"


def _section(title: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")


def _block(lines: Iterable[str], margin: str = "") -> Iterator[str]:
    # Nothing in it may end it: a fence is longer than any in what it holds.
    text = list(lines)
    ticks = max((len(found[1]) for line in text if (found := re.match(r" *(`*)", line))), default=0)
    fence = "`" * max(3, ticks + 1)
    yield from (f"{margin}{line}".rstrip() for line in (fence, *text, fence))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        cells = (cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for cell in row)
        yield f"| {' | '.join(cells)} |"
