"""A plan's directory as it is on disk: what is planned, what is built, what the last run did.

No other module parses these files, except `testing/spec.py`, which owns tests and scenarios. The plan itself
answers whether an image is current (`current`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from buildsys import programs

MARK = ".buildsys-plan"
"""The file that makes a directory a plan's; it holds the version of the layout."""
LAYOUT = "1\n"
OURS = ("steps", "keys", "lib", "context", "pool", "tests", "scenarios")
"""Folders in which every file is the plan's: one that the plan does not name is removed."""
_EVENT = '{"time": '
"""The beginning of an event; it occurs nowhere within one."""


# ── what is planned ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image of a plan."""

    parent: str
    """The image of the plan that it is made from; empty: none of the plan."""
    needs: tuple[str, ...]
    """Images of the plan that it is made from or copies from, the parent first."""
    reference: str


@dataclass(frozen=True, slots=True)
class Planned:
    """The summary of a plan, `plan.json`."""

    set: str
    format: Literal["docker", "oci"]
    stand_ins: bool
    """The packages are stand-ins."""
    images: Mapping[str, PlannedImage]
    """By name, parents first."""


def exists(directory: Path) -> bool:
    """Whether the directory holds a plan."""
    return (directory / "plan.json").is_file()


def planned(directory: Path) -> Planned:
    """The summary of the plan.

    Raises:
        FileNotFoundError: the directory holds no plan.
        ValueError: the summary is damaged.
    """
    data = json.loads((directory / "plan.json").read_bytes())
    try:
        return Planned(
            data["set"],
            data["format"],
            data["stand_ins"],
            {name: _planned(entry) for name, entry in data["images"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{directory}/plan.json is damaged") from error


def _planned(entry: Mapping[str, Any]) -> PlannedImage:
    parent = entry["parent"] or ""
    return PlannedImage(parent, (*([parent] if parent else ()), *entry["reads"]), entry["reference"])


def names(directory: Path) -> list[str]:
    """The images of the plan, parents first; none if there is no plan, or its summary is damaged."""
    try:
        return list(planned(directory).images)
    except (FileNotFoundError, ValueError):
        return []


def notes(directory: Path) -> list[str]:
    """Sentences about the plan that each summary repeats."""
    return _text(directory / "notes").splitlines()


def inputs(directory: Path, image: str) -> list[str]:
    """The static inputs of an image's build key, one a line: `keys/NAME`.

    Raises:
        FileNotFoundError: the plan has no such image.
    """
    return _parted((directory / "keys" / image).read_bytes().decode())


def step_text(directory: Path, image: str) -> str:
    """The script of an image's step: `steps/NAME.sh`.

    Raises:
        FileNotFoundError: the plan has no such image.
    """
    return (directory / "steps" / f"{image}.sh").read_bytes().decode("utf-8", "surrogateescape")


def summary(directory: Path) -> dict[str, Any]:
    """The content of `plan.json`, as docs/reference/plan.md describes it.

    Raises:
        FileNotFoundError: the directory holds no plan.
        ValueError: the summary is damaged.
    """
    data = json.loads((directory / "plan.json").read_bytes())
    if isinstance(data, dict) and isinstance(data.get("images"), dict):
        return data
    raise ValueError(f"{directory}/plan.json is damaged")


def lock_hash(inputs: Iterable[tuple[str, Iterable[str]]]) -> str:
    """Twelve hex digits of the hash of all locked packages of a plan; empty if nothing is locked.

    `inputs`: the static inputs of each image's build key, by the image's name.
    """
    packages = [
        f"{name} {line}"
        for name, lines in sorted(inputs)
        for line in lines
        if line.startswith(("package ", "payload "))
    ]
    return hashlib.sha256("\n".join(packages).encode()).hexdigest()[:12] if packages else ""


# ── what is built ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image that is current."""

    id: str
    inputs: tuple[str, ...]
    """All inputs of the build key that it was built from, one a line."""


def current(directory: Path) -> dict[str, str]:
    """Ids of the images that are up to date with the plan, parents first; a run skips these.

    Runs the plan's `lib/current.sh`, which judges the records (`state/`, `results/`) as a run does; the store
    is not asked. An image with damaged records is left out: the next run asks the store for it, or builds it.
    """
    if not (directory / "results").is_dir():
        return {}
    try:
        rows = [line.split() for line in programs.lines(["bash", str(directory / "lib/current.sh")])]
    except programs.ToolFailed:
        return {}
    return {row[0]: row[1] for row in rows}


def built(directory: Path) -> dict[str, BuiltImage]:
    """The current images, as `current` says, with their inputs; none if there is no plan."""
    if not exists(directory):
        return {}
    state = directory / "state"
    return {
        name: BuiltImage(identity, tuple(_lines(state / f"{name}.inputs")))
        for name, identity in current(directory).items()
    }


def used(directory: Path, image: str) -> list[str]:
    """All inputs of the build key that an image was built from, one a line.

    Raises:
        FileNotFoundError: it was never built.
    """
    return _parted((directory / "state" / f"{image}.inputs").read_bytes().decode())


def plan_id(directory: Path) -> str:
    """The part of the names of containers that belongs to this plan; the first run makes it.

    Raises:
        OSError: there was no run.
    """
    return (directory / "state" / "id").read_text("utf-8").split()[0]


# ── what the last run did ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Result:
    """What a run did with an image."""

    image: str
    status: str
    """`built`, `fresh` or `failed`."""
    id: str
    """Empty: it failed."""
    reason: str
    seconds: float
    at: str
    """file:line:column of the instruction that failed; else empty."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A plan's directory at one moment, to compare with a later one."""

    ids: Mapping[str, str]
    """Of the images that were current."""
    events: tuple[int, ...]
    """Inode, size and times of the list of events; empty: there was none."""


def look(directory: Path) -> Snapshot:
    """Take a snapshot of the directory."""
    ids = current(directory) if exists(directory) else {}
    return Snapshot(ids, _mark(directory / "events.jsonl"))


def results(directory: Path, before: Snapshot) -> list[Result] | None:
    """What the run since then did with images, in the order in which they ended; None: there was no run."""
    path = directory / "events.jsonl"
    if _mark(path) == before.events:
        return None
    return [
        Result(item.image, item.event, *(item.data[key] for key in ("image_id", "reason", "seconds", "at")))
        for item in events(_lines(path))
        if item.event in ENDS and "image_id" in item.data
    ]


ENDS = frozenset({"built", "fresh", "failed"})
"""Events that end an image."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a run recorded at one moment; docs/reference/plan.md describes the data of each event."""

    time: float
    """Seconds since 1970."""
    event: str
    image: str
    """Empty: the event is one of the whole run."""
    data: Mapping[str, Any]


def record(directory: Path) -> list[Event]:
    """The events of the last run; none if there is no record."""
    return list(events(_lines(directory / "events.jsonl")))


def log_path(directory: Path, image: str) -> Path:
    """The log of the image's last build."""
    return directory / "logs" / f"{image}.log"


def events(lines: Iterable[str]) -> Iterator[Event]:
    """The complete events of lines of `events.jsonl`.

    A kill or a full disk cuts a line short, and the next event may follow on it: the part is skipped.
    """
    for line in lines:
        _, begins, rest = line.rpartition(_EVENT)
        if begins and rest.endswith("}"):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                data = json.loads(begins + rest)
                yield Event(float(data["time"]), str(data["event"]), str(data.get("image", "")), data)


LONGEST = 30 * 24 * 3600
"""Seconds that no build of an image takes."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a run spent on an image."""

    image: str
    begin: float
    end: float
    """Seconds since 1970."""
    failed: bool


def spans(directory: Path, *, earlier: bool = False) -> list[Span]:
    """When the last run, or the one before it, built an image or tried to; empty if it built none."""
    begun: dict[str, float] = {}
    found = []
    for event in events(_lines(directory / ("events.1.jsonl" if earlier else "events.jsonl"))):
        if event.event == "started":
            begun[event.image] = event.time
        elif event.event in {"built", "failed"} and event.image in begun:
            begin = begun[event.image]
            # A clock that was set back, or a damaged line.
            if 0 <= begin <= event.time < begin + LONGEST:
                found.append(Span(event.image, begin, event.time, event.event == "failed"))
    return found


def known_fresh(directory: Path) -> list[str]:
    """The images whose records the last run believed, and which it did not look at."""
    return _text(directory / "state" / "fresh").split()


def result(directory: Path, image: str) -> dict[str, Any]:
    """The content of an image's result file; empty if there is none, or it is damaged."""
    try:
        data = json.loads(_text(directory / "results" / f"{image}.json"))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def log_end(directory: Path, image: str, lines: int = 20) -> list[str]:
    """The last lines of an image's log."""
    return _text(log_path(directory, image)).splitlines()[-lines:]


def _mark(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _lines(path: Path) -> list[str]:
    text = _text(path)
    return _parted(text) if text else []


def _parted(text: str) -> list[str]:
    # Only a newline ends a line: words of recipes hold all other characters that Python splits lines at.
    return text.removesuffix("\n").split("\n")
