"""The record of a run that is going on, `events.jsonl`: its events as they come, and what they add up to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from buildsys.files import try_lock
from buildsys.plan import read
from buildsys.plan.read import Event


class Record:
    """Follows the record of one run, from before the run begins it."""

    def __init__(self, directory: Path, run: str) -> None:
        """`run`: the id that the run writes into its first event."""
        self._path = directory / "events.jsonl"
        self._run = run
        self._file: int | None = None
        self._rest = b""

    def new(self) -> list[Event]:
        """The events since the last call; none before the run begins."""
        if self._file is None:
            self._file = self._open()
        if self._file is None:
            return []
        while part := os.read(self._file, 1 << 16):
            self._rest += part
        *lines, self._rest = self._rest.split(b"\n")
        return list(read.events(line.decode("utf-8", "replace") for line in lines))

    def _open(self) -> int | None:
        """The file, once its first line is of this run: another one may hold the plan, and write its own."""
        with suppress(OSError):
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            head, newline, _ = os.read(file, 1 << 12).partition(b"\n")
            first = next(read.events([head.decode("utf-8", "replace")]), None)
            if newline and first and first.data.get("run") == self._run:
                os.lseek(file, 0, os.SEEK_SET)
                return file
            os.close(file)
        return None


@dataclass(slots=True)
class Activity:
    """An image in progress."""

    image: str
    since: float
    """Seconds since 1970, as all times here."""
    what: str = ""
    """The kind of its present instruction, as in the event `doing`; empty: the step decides what to do."""
    count: int = 0
    """Packages of this instruction; 0: unknown."""
    at: str = ""
    """file:line:column of the instruction; empty: unknown."""


@dataclass(slots=True)
class Progress:
    """What the events of a run add up to."""

    needs: Mapping[str, tuple[str, ...]]
    """Each image of the plan, parents first -> the images that it is built from."""
    seconds: dict[str, float]
    """Image -> how long its last build took; the run adds its own."""
    began: float | None = None
    images: list[str] = field(default_factory=list)
    """All images of the run."""
    fresh: set[str] = field(default_factory=set)
    """Images that the run did not look at."""
    jobs: int = 0
    """Images at once; 0: unknown."""
    running: dict[str, Activity] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    """Image -> `built`, `fresh` or `failed`."""
    blocked: set[str] = field(default_factory=set)
    """Images that are not built because one that they need has failed."""
    is_over: bool = False

    def take(self, event: Event) -> None:
        """Add one event."""
        match event.event:
            case "run":
                self.began = event.time
            case "planned":
                self.images = [str(name) for name in event.data.get("images", ())]
                self.fresh = {str(name) for name in event.data.get("fresh", ())}
                self.jobs = int(event.data.get("jobs", 0))
            case "started":
                self.running[event.image] = Activity(event.image, event.time)
            case "doing":
                work = self.running.setdefault(event.image, Activity(event.image, event.time))
                work.what = str(event.data.get("what", ""))
                work.count = int(event.data.get("count", 0))
                work.at = str(event.data.get("at", ""))
            case "built" | "fresh" | "failed":
                self._end(event)
            case "ended":
                self.is_over = True
                self.running.clear()
            case _:
                pass

    @property
    def done(self) -> int:
        """Number of images that are done, well or not."""
        return len(self.fresh) + len(self.ended)

    @property
    def failed(self) -> int:
        """Number of images that failed."""
        return sum(end == "failed" for end in self.ended.values())

    def left(self, now: float) -> float | None:
        """Estimated seconds to the end of the run; None: too little is known.

        It is the longest chain of images that wait for each other, or all work shared by the jobs, whichever
        is longer. Each image counts as long as its last build took, and one never built here as the average.
        """
        todo = [name for name in self.images if self._is_open(name)]
        known = [self.seconds[name] for name in self.images if name in self.seconds]
        if not known or sum(name in self.seconds for name in todo) * 2 < len(todo):
            return None
        average = sum(known) / len(known)
        costs = {name: self.seconds.get(name, average) for name in todo}
        for name, work in self.running.items():
            if name in costs:
                costs[name] = max(costs[name] - (now - work.since), 0.0)
        ends: dict[str, float] = {}
        for name in todo:
            before = (ends.get(need, 0.0) for need in self.needs.get(name, ()))
            ends[name] = costs[name] + max(before, default=0.0)
        longest = max(ends.values(), default=0.0)
        return max(longest, sum(costs.values()) / self.jobs) if self.jobs else longest

    def _is_open(self, name: str) -> bool:
        return name not in self.fresh and name not in self.ended and name not in self.blocked

    def _end(self, event: Event) -> None:
        self.running.pop(event.image, None)
        self.ended[event.image] = event.event
        if event.event == "built":
            with suppress(TypeError, ValueError):
                self.seconds[event.image] = float(event.data["seconds"])
        if event.event == "failed":
            stopped = {event.image}
            for name in self.images:
                if stopped & {*self.needs.get(name, ())}:
                    stopped.add(name)
            self.blocked |= stopped - self.ended.keys()


def remembered(directory: Path, images: Iterable[str]) -> dict[str, float]:
    """Seconds that the last build of each image took; an image that was never built here is left out."""
    found = {}
    for name in images:
        with suppress(OSError, ValueError):
            found[name] = float((directory / "state" / f"{name}.seconds").read_text("ascii"))
    return found


def progress(directory: Path) -> Progress:
    """The progress of a run of this plan before its first event."""
    try:
        images = read.planned(directory).images
    except (FileNotFoundError, ValueError):
        images = {}
    return Progress({name: item.needs for name, item in images.items()}, remembered(directory, images))


# ── the last run ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class End:
    """What became of an image that the run did not know to be fresh."""

    image: str
    state: str
    """`built`, `fresh`, `failed`, `blocked`, `running`, `waiting`, or `stopped` by the end of the run."""
    seconds: float | None
    """None: the image did not end."""
    reason: str
    """Why it was built, or the images that block it."""
    at: str
    """file:line:column of a failure."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run of a plan, as its record has it."""

    set: str
    began: float
    """Seconds since 1970."""
    ended: float | None
    """None: it goes on, or it was killed."""
    status: int | None
    """Its exit status."""
    is_going_on: bool
    goals: str
    """The images that were asked for; empty or `all`: all of the set."""
    images: int
    """How many images it has."""
    known_fresh: tuple[str, ...]
    """Images that it did not look at."""
    ends: tuple[End, ...]

    def count(self, state: str) -> int:
        """Number of images in this state."""
        return sum(end.state == state for end in self.ends) + (
            len(self.known_fresh) if state == "fresh" else 0
        )


def last_run(directory: Path) -> LastRun | None:
    """The last run of the plan; None: there was none, or its record is gone."""
    found = read.record(directory)
    begins = next((event for event in found if event.event == "run"), None)
    if begins is None:
        return None
    state = progress(directory)
    ends: dict[str, End] = {}
    ended = None
    for event in found:
        state.take(event)
        data = event.data
        reason, at = str(data.get("reason", "")), str(data.get("at", ""))
        if event.event in read.ENDS:
            seconds = data.get("seconds")
            ends[event.image] = End(
                event.image, event.event, None if seconds is None else float(seconds), reason, at
            )
        elif event.event == "blocked":
            ends[event.image] = End(event.image, "blocked", None, str(data.get("by", "")), "")
        elif event.event == "ended":
            ended = event
    going_on = ended is None and holder(directory) is not None
    for name in state.images:
        if name not in ends and name not in state.fresh:
            if name in state.blocked:
                left = "blocked"
            elif not going_on:
                left = "stopped"
            else:
                left = "running" if name in state.running else "waiting"
            ends[name] = End(name, left, None, "", "")
    return LastRun(
        str(begins.data.get("set", "")),
        begins.time,
        ended.time if ended else None,
        int(ended.data.get("status", 0)) if ended else None,
        going_on,
        str(begins.data.get("goals", "")),
        len(state.images),
        tuple(name for name in state.images if name in state.fresh),
        tuple(ends.values()),
    )


def holder(directory: Path) -> str | None:
    """Who holds the plan, as `process 7 of root, building all since 20:05:11`; None: no process does."""
    lock = directory / "state" / "lock"
    with suppress(OSError):
        free = try_lock(lock, shared=True)
        if free is None:
            return lock.read_text("utf-8", "replace").strip()
        os.close(free)
    return None
