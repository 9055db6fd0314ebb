"""Compare results with expectations: every mismatch is a `Diagnostic` at the spot of the expectation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.testing.http import Answer
from buildsys.testing.podman import Done
from buildsys.testing.spec import Exec, Http, ImageTest, one_line, place

NO_CONTAINER = (125, 126)
"""podman-run(1), exit status: an error of podman itself, and a command that cannot be invoked."""
NOT_FOUND = 127
"""podman-run(1), exit status: the command is not in the container."""


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a health check."""

    state: Literal["healthy", "unhealthy", "unchecked"]
    """`unchecked`: the container has no health check."""
    output: str = ""


def of_health(health: Health, what: str, limit: float, spot: Spot) -> Iterator[Diagnostic]:
    """Judge the health of `what` after `limit` seconds."""
    if health.state == "unchecked":
        yield Diagnostic(spot, Code.NOT_HEALTHY, f"{what} has no health check")
    elif health.state == "unhealthy":
        last = f": {one_line(health.output, 200)}" if health.output else ""
        yield Diagnostic(spot, Code.NOT_HEALTHY, f"{what} is not healthy within {seconds(limit)}{last}")


def of_run(expected: Exec, done: Done) -> Iterator[Diagnostic]:
    """Judge a command."""
    if done.timed_out:
        message = f"`{expected.label}` took longer than {seconds(expected.timeout)} and was killed"
        yield Diagnostic(
            place(expected.spots, "run"), Code.TIME_LIMIT, message, "set `timeout:` if it needs longer"
        )
    elif done.status not in expected.statuses:
        yield _wrong_status(expected, done)
    elif expected.output and not re.search(expected.output, done.output, re.MULTILINE):
        message = f"the output of `{expected.label}` does not match '{one_line(expected.output)}'"
        yield Diagnostic(place(expected.spots, "output", "run"), Code.WRONG_OUTPUT, message)


def _wrong_status(expected: Exec, done: Done) -> Diagnostic:
    if done.status in NO_CONTAINER and done.complaint:
        message = f"`{expected.label}` cannot be run: {done.complaint}"
        return Diagnostic(place(expected.spots, "run"), Code.NO_CONTAINER, message)
    message = f"`{expected.label}` ends with {done.status}, not {either(expected.statuses)}"
    hint = "the image has no program of that name" if done.status == NOT_FOUND else ""
    return Diagnostic(place(expected.spots, "status", "run"), Code.WRONG_STATUS, message, hint)


def of_answer(expected: Http, answer: Answer) -> Iterator[Diagnostic]:
    """Judge the answer of a server."""
    what = f"the answer to {expected.label}"
    if answer.status not in expected.statuses:
        message = f"{expected.label} answers {answer.status}, not {either(expected.statuses)}"
        yield Diagnostic(place(expected.spots, "status", "http"), Code.WRONG_ANSWER, message)
        return
    if expected.output and not re.search(expected.output, answer.body, re.MULTILINE):
        message = f"{what} does not match '{one_line(expected.output)}'"
        yield Diagnostic(place(expected.spots, "output", "http"), Code.WRONG_ANSWER, message)
    for path, value in expected.json.items():
        spot = place(expected.spots, f"json.{path}", "http")
        try:
            found = answer.value(path)
        except KeyError:
            yield Diagnostic(spot, Code.WRONG_ANSWER, f"{what} has no {path}")
        except ValueError:
            yield Diagnostic(spot, Code.WRONG_ANSWER, f"{what} is not JSON")
            return
        else:
            # 1 and true are equal in Python, not in JSON.
            if found != value or isinstance(found, bool) != isinstance(value, bool):
                message = f"{what} has {_json(found)} at {path}, not {_json(value)}"
                yield Diagnostic(spot, Code.WRONG_ANSWER, message)


def of_user(name: str, expected: ImageTest, user: str) -> Iterator[Diagnostic]:
    """Judge the user of the image of that name; empty: the image sets none."""
    if expected.user and user != expected.user:
        message = f"the image {name} runs as {user or 'root (it sets no user)'}, not as {expected.user}"
        yield Diagnostic(place(expected.spots, "user"), Code.WRONG_USER, message)


def of_size(name: str, expected: ImageTest, size: int) -> Iterator[Diagnostic]:
    """Judge the size of the image of that name, in bytes."""
    if expected.size and size > expected.size:
        message = f"the image {name} has {megabytes(size)}; the limit is {megabytes(expected.size)}"
        yield Diagnostic(place(expected.spots, "size"), Code.TOO_LARGE, message)


def of_setuid(name: str, expected: ImageTest, found: Sequence[str]) -> Iterator[Diagnostic]:
    """Judge the set-user-ID and set-group-ID files of the image of that name: absolute paths."""
    for path in found:
        if path not in (expected.setuid or ()):
            message = f"the image {name} has {path} with a set-user-ID or set-group-ID bit"
            hint = "remove the bit in the recipe, or allow the file under `setuid`"
            yield Diagnostic(place(expected.spots, "setuid"), Code.UNEXPECTED_SETUID, message, hint)


def _json(value: object) -> str:
    return one_line(json.dumps(value, ensure_ascii=False))


def either(numbers: Sequence[int]) -> str:
    """Numbers as alternatives: `0 or 2`."""
    return " or ".join(map(str, numbers))


def seconds(number: float) -> str:
    """A duration as recipes write it: `1m30s`."""
    minutes, rest = divmod(number, 60)
    if not minutes:
        return f"{rest:g}s"
    return f"{minutes:g}m{rest:g}s" if rest else f"{minutes:g}m"


def megabytes(number: int) -> str:
    """A size in bytes as megabytes: `1.5 MB`."""
    return f"{number / 1e6:.1f} MB"
