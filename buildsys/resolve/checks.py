"""A written command or request, and what it must come to: defaults filled in, patterns checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from buildsys.diagnostics import Spot
from buildsys.recipe import schema
from buildsys.resolve import syntax
from buildsys.resolve.source import Notes
from buildsys.testing import spec

Path = tuple[str | int, ...]

SHELL = ("/bin/sh", "-ec")
"""What reads a command that is a text."""


def run(
    written: schema.CommandTest | schema.ScenarioStep, notes: Notes, path: Path, *, timeout: float
) -> spec.Run:
    """A command; `timeout` is how many seconds it may take where it does not say."""
    command = written.run
    if not command or command == [""] or command is None:
        # A command alone stands at the path itself.
        notes.problem((*path, "run"), syntax.NO_COMMAND)
        command = ""
    env = written.env or {}
    for name in env:
        notes.problem((*path, "env", name), syntax.environment_name(name), key=True)
    return spec.Run(
        argv=(*SHELL, command) if isinstance(command, str) else tuple(command),
        user=notes.check((*path, "user"), syntax.user, written.user),
        env=env,
        statuses=statuses(written.status, notes, (*path, "status"), syntax.exit_status, default=0),
        output=notes.check((*path, "output"), syntax.expression, written.output),
        timeout=seconds(written.timeout, notes, (*path, "timeout"), default=timeout),
        spots=_spots(notes, path, "run", _given(status=written.status, output=written.output)),
    )


def runs(
    written: list[schema.CommandTest] | None, notes: Notes, path: Path, *, timeout: float
) -> tuple[spec.Run, ...]:
    """The commands of a list."""
    return tuple(
        run(item, notes, (*path, number), timeout=timeout) for number, item in enumerate(written or ())
    )


def request(written: schema.Http, notes: Notes, path: Path) -> spec.Http:
    """A request; what it does not say is GET / and status 200."""
    port(written.port, notes, (*path, "port"))
    headers = written.headers or {}
    for name, value in headers.items():
        notes.problem((*path, "headers", name), syntax.header_name(name), key=True)
        notes.check((*path, "headers", name), syntax.one_line, value)
    values = written.json_ or {}
    for place, value in values.items():
        if isinstance(value, dict | list):
            notes.problem((*path, "json", place), syntax.NOT_ONE_VALUE)
    given = _given(status=written.status, output=written.output)
    spots = _spots(notes, path, "http", given)
    return spec.Http(
        port=written.port,
        path=notes.check((*path, "path"), syntax.path, written.path) or "/",
        method=written.method or "GET",
        headers=headers,
        body=written.body or "",
        statuses=statuses(written.status, notes, (*path, "status"), syntax.http_status, default=200),
        json=values,
        output=notes.check((*path, "output"), syntax.expression, written.output),
        spots={**spots, **{f"json.{place}": notes.spot(*path, "json", place) for place in values}},
    )


def port(number: int, notes: Notes, path: Path) -> int:
    """The number of a port."""
    notes.problem(path, syntax.port(str(number)))
    return number


def statuses(
    written: list[int] | None, notes: Notes, path: Path, check: syntax.NumberCheck, *, default: int
) -> tuple[int, ...]:
    """Statuses that are right."""
    for number in written or ():
        notes.problem(path, check(number))
    return tuple(written) if written else (default,)


def seconds(text: str | None, notes: Notes, path: Path, *, default: float) -> float:
    """A duration in seconds; more than none."""
    if text is None:
        return default
    value = syntax.duration(text)
    if not value:
        notes.problem(path, syntax.not_a_duration(text))
        return default
    return value


def _given(**keys: Any) -> Iterable[str]:
    return [key for key, value in keys.items() if value is not None]


def _spots(notes: Notes, path: Path, main: str, keys: Iterable[str]) -> Mapping[str, Spot]:
    # What stands alone, without its main key, is where that would be.
    return {main: notes.spot(*path, main), **{key: notes.spot(*path, key) for key in keys}}
