"""What a run made of a plan: read from what it leaves in the plan's directory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EVENT = '{"image": '
"""How an event begins, and nothing within one."""


@dataclass(frozen=True, slots=True)
class Known:
    """An image as the plan knows it: what the last one was built from."""

    id: str
    inputs: tuple[str, ...]
    """Its build key's inputs, a line each."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an image in a run."""

    image: str
    status: str
    """`built`, `fresh` or `failed`."""
    id: str
    """Empty: it failed."""
    reason: str
    seconds: float
    at: str
    """file:line:column of what failed; else empty."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A plan's directory at one moment, to be held against a later one."""

    images: Mapping[str, Known]
    events: tuple[int, ...]
    """By what a later list of events is told from this one."""


def look(directory: Path) -> Ground:
    """What the plan knows of its images now; nothing, where none was built yet."""
    state = directory / "state"
    images = {
        path.stem: Known(_text(path).strip(), tuple(_lines(path.with_suffix(".inputs"))))
        for path in sorted(state.glob("*.id"))
    }
    return Ground(images, _mark(directory / "events.jsonl"))


def results(directory: Path, before: Ground) -> list[Result] | None:
    """What the run since then made of images, in the order in which they ended; None: there was no run."""
    path = directory / "events.jsonl"
    if _mark(path) == before.events:
        return None
    return [_result(json.loads(line)) for line in _events(_lines(path))]


def _events(lines: Iterable[str]) -> Iterator[str]:
    """The whole lines; of one that a full disk cut short, what was written behind it later."""
    for line in lines:
        _, begins, event = line.rpartition(_EVENT)
        if begins and event.endswith("}"):
            yield begins + event


def _result(event: dict[str, Any]) -> Result:
    image, status, identity, reason = (event[key] for key in ("image", "status", "image_id", "reason"))
    return Result(image, status, identity, reason, event["seconds"], event["at"])


def known_fresh(directory: Path) -> list[str]:
    """The images that the last run knew to be fresh when it began, and did not look at."""
    return _text(directory / "state" / "fresh").split()


def reason(directory: Path, image: str) -> str:
    """Why an image is as it is: the reason of the run that looked at it last; empty: there is no result."""
    try:
        return str(json.loads((directory / "results" / f"{image}.json").read_bytes())["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def log_end(directory: Path, image: str, lines: int = 20) -> list[str]:
    """The last lines of an image's log."""
    return _text(directory / "logs" / f"{image}.log").splitlines()[-lines:]


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
    # Only a newline ends one: words of recipes hold all else that Python calls a line's end.
    text = _text(path)
    return text.removesuffix("\n").split("\n") if text else []
