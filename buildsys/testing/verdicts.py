"""Hold what came out against what was expected: no mistake, or the mistakes, each with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.testing.http import Answer
from buildsys.testing.podman import Said
from buildsys.testing.spec import Http, ImageTest, Run, one_line, place

NO_CONTAINER = (125, 126)
"""podman's own exit statuses: it, or the runtime, could not make a container or enter it."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a health check said."""

    state: Literal["healthy", "unhealthy", "unchecked"]
    output: str = ""


def of_health(health: Health, what: str, limit: float, at: Spot) -> Iterator[Diagnostic]:
    """What is wrong with the health of a container that has been given `limit` seconds for it."""
    if health.state == "unchecked":
        yield Diagnostic(at, Code.NOT_HEALTHY, f"{what} has no health check")
    elif health.state == "unhealthy":
        last = f": {one_line(health.output, 200)}" if health.output else ""
        yield Diagnostic(at, Code.NOT_HEALTHY, f"{what} is not healthy within {seconds(limit)}{last}")


def of_run(expected: Run, said: Said) -> Iterator[Diagnostic]:
    """What is wrong with what a command came to."""
    if said.timed_out:
        message = f"`{expected.label}` took longer than {seconds(expected.timeout)} and was killed"
        yield Diagnostic(
            place(expected.spots, "run"), Code.TIME_LIMIT, message, "say `timeout:` where it needs longer"
        )
        return
    if said.status not in expected.statuses:
        yield _wrong_status(expected, said)
        return
    if expected.output and not re.search(expected.output, said.all, re.MULTILINE):
        spot = place(expected.spots, "output", "run")
        message = f"what `{expected.label}` says does not match '{one_line(expected.output)}'"
        yield Diagnostic(spot, Code.WRONG_OUTPUT, message)


def _wrong_status(expected: Run, said: Said) -> Diagnostic:
    if said.status in NO_CONTAINER and said.complaint:
        message = f"`{expected.label}` cannot be run: {said.complaint}"
        return Diagnostic(place(expected.spots, "run"), Code.NO_CONTAINER, message)
    wanted = either(expected.statuses)
    message = f"`{expected.label}` ends with {said.status}, not {wanted}"
    hint = "no program of that name is in the image" if said.status == 127 else ""
    return Diagnostic(place(expected.spots, "status", "run"), Code.WRONG_STATUS, message, hint)


def of_answer(expected: Http, answer: Answer) -> Iterator[Diagnostic]:
    """What is wrong with what a server answered."""
    if answer.status not in expected.statuses:
        message = f"{expected.label} answers {answer.status}, not {either(expected.statuses)}"
        yield Diagnostic(place(expected.spots, "status", "http"), Code.WRONG_ANSWER, message)
        return
    if expected.output and not re.search(expected.output, answer.body, re.MULTILINE):
        message = f"what {expected.label} answers does not match '{one_line(expected.output)}'"
        yield Diagnostic(place(expected.spots, "output", "http"), Code.WRONG_ANSWER, message)
    for path, value in expected.json.items():
        spot = place(expected.spots, f"json.{path}", "http")
        try:
            found = answer.value(path)
        except KeyError:
            yield Diagnostic(spot, Code.WRONG_ANSWER, f"what {expected.label} answers has no {path}")
        except ValueError:
            yield Diagnostic(spot, Code.WRONG_ANSWER, f"what {expected.label} answers is no JSON")
            return
        else:
            # 1 and true are equal to Python, not to JSON.
            if found != value or isinstance(found, bool) != isinstance(value, bool):
                message = f"what {expected.label} answers has {_shown(found)} at {path}, not {_shown(value)}"
                yield Diagnostic(spot, Code.WRONG_ANSWER, message)


def of_user(name: str, expected: ImageTest, user: str) -> Iterator[Diagnostic]:
    """What is wrong with whom an image runs as."""
    if expected.user and user != expected.user:
        message = f"the image {name} runs as {user or 'root, for want of a user'}, not as {expected.user}"
        yield Diagnostic(place(expected.spots, "user"), Code.WRONG_USER, message)


def of_size(name: str, expected: ImageTest, size: int) -> Iterator[Diagnostic]:
    """What is wrong with how much an image holds, in bytes."""
    if expected.size and size > expected.size:
        message = f"the image {name} is {megabytes(size)} large; {megabytes(expected.size)} are allowed"
        yield Diagnostic(place(expected.spots, "size"), Code.TOO_LARGE, message)


def of_setuid(name: str, expected: ImageTest, found: Sequence[str]) -> Iterator[Diagnostic]:
    """What is wrong with the files that change who runs them."""
    for path in found:
        if path not in (expected.setuid or ()):
            message = f"the image {name} holds {path}, which changes who runs it"
            hint = "take the bit away in the recipe, or allow the file under `setuid`"
            yield Diagnostic(place(expected.spots, "setuid"), Code.UNEXPECTED_SETUID, message, hint)


def _shown(value: object) -> str:
    return one_line(json.dumps(value, ensure_ascii=False))


def either(numbers: Sequence[int]) -> str:
    """Numbers as alternatives."""
    return " or ".join(map(str, numbers))


def seconds(number: float) -> str:
    """A duration as people write it."""
    minutes, rest = divmod(number, 60)
    if not minutes:
        return f"{rest:g}s"
    return f"{minutes:g}m{rest:g}s" if rest else f"{minutes:g}m"


def megabytes(number: int) -> str:
    """A size as people write it."""
    return f"{number / 1e6:.1f} MB"
