"""The key `test` of fragments and the commands and requests of scenarios, parsed into `testing.spec`.

Defaults are filled in and patterns checked here; the tests of all fragments of an image are joined into one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from buildsys import image
from buildsys.diagnostics import Code, Spot
from buildsys.recipe import schema
from buildsys.recipe.schema import types
from buildsys.resolve.source import Notes
from buildsys.testing import spec

Path = tuple[str | int, ...]
"""The keys and list indices that lead to a value of a document."""
PATIENCE = 60.0
"""Default limit in seconds for a command of a test, and for a service until it answers."""
_NO_COMMAND = (Code.EMPTY_COMMAND, "there is nothing to run", "write a command, or leave it out")
_NOT_ONE_VALUE = (
    Code.WRONG_TYPE,
    "an answer's place holds a text, a number, true or false",
    "name the place of a single value",
)


@dataclass(frozen=True, slots=True)
class ServicePart:
    """The additions of one fragment to the service of a test."""

    env: Mapping[str, str]
    cmd: tuple[str, ...] | None
    healthy: bool | None
    ports: tuple[spec.Port, ...]
    requests: tuple[spec.Http, ...]
    runs: tuple[spec.Exec, ...]
    within: float
    """Seconds; 0 where the fragment sets no limit."""
    spot: Spot


@dataclass(frozen=True, slots=True)
class TestPart:
    """The additions of one fragment to the test of an image."""

    __test__ = False  # not a class of pytest

    runs: tuple[spec.Exec, ...] = ()
    user: str = ""
    setuid: tuple[str, ...] | None = None
    size: int = 0
    service: ServicePart | None = None
    spots: Mapping[str, Spot] = field(default_factory=dict)


def test_part(written: schema.ImageTest, notes: Notes) -> TestPart:
    """Parse the key `test` of one fragment; mistakes are added to `notes`."""
    given = [key for key in ("user", "setuid", "size") if getattr(written, key) is not None]
    return TestPart(
        runs=runs(written.run, notes, ("test", "run"), timeout=PATIENCE),
        user=written.user or "",
        setuid=None if written.setuid is None else tuple(written.setuid),
        size=types.size(written.size or ""),
        service=None if written.service is None else _service(written.service, notes),
        spots={key: notes.spot("test", key) for key in given},
    )


def _service(written: schema.Service, notes: Notes) -> ServicePart:
    path = ("test", "service")
    return ServicePart(
        env=written.env or {},
        cmd=None if written.cmd is None else tuple(written.cmd),
        healthy=written.healthy,
        ports=tuple(
            spec.Port(number, notes.spot(*path, "port", place))
            for place, number in enumerate(written.port or ())
        ),
        requests=tuple(
            request(item, notes, (*path, "http", *place))
            for place, item in _placed(written.http or [], notes, (*path, "http"))
        ),
        runs=runs(written.run, notes, (*path, "run"), timeout=PATIENCE),
        within=seconds(written.within, default=0.0),
        spot=notes.spot(*path),
    )


def _placed(
    requests: list[schema.Http], notes: Notes, path: Path
) -> Iterator[tuple[tuple[int, ...], schema.Http]]:
    """Requests, each with its index as a path; a request that is written without a list has an empty path."""
    data = notes.written.data
    for key in path if requests else ():
        data = data[key]
    for number, request in enumerate(requests):
        yield (number,) if isinstance(data, list) else (), request


def joined(parts: Iterable[TestPart]) -> spec.ImageTest:
    """Join the tests of all fragments of an image: lists grow; the last single value wins."""
    test = spec.ImageTest()
    services: list[ServicePart] = []
    for part in parts:
        setuid = test.setuid
        if part.setuid is not None:
            setuid = tuple(dict.fromkeys((*(setuid or ()), *part.setuid)))
        test = spec.ImageTest(
            runs=(*test.runs, *part.runs),
            user=part.user or test.user,
            setuid=setuid,
            size=part.size or test.size,
            spots={**test.spots, **part.spots},
        )
        if part.service is not None:
            services.append(part.service)
    return replace(test, service=_joined_services(services)) if services else test


def _joined_services(parts: list[ServicePart]) -> spec.Service:
    env: dict[str, str] = {}
    for part in parts:
        env |= part.env
    last = {
        key: next((value for part in reversed(parts) if (value := getattr(part, key)) is not None), None)
        for key in ("cmd", "healthy")
    }
    return spec.Service(
        env=env,
        cmd=last["cmd"],
        healthy=bool(last["healthy"]),
        ports=tuple(port for part in parts for port in part.ports),
        requests=tuple(request for part in parts for request in part.requests),
        runs=tuple(run for part in parts for run in part.runs),
        within=next((part.within for part in reversed(parts) if part.within), PATIENCE),
        spot=parts[-1].spot,
    )


def with_parents(images: Mapping[str, image.Image]) -> dict[str, image.Image]:
    """Allow each image the set-user-ID files of its parents: it contains these files, too."""
    whole = dict(images)
    done: set[str] = set()
    for name in images:
        line = [name]
        while line[-1] not in done and isinstance(parent := images[line[-1]].parent, image.ParentImage):
            line.append(parent.name)
        for child, parent_name in zip(reversed(line[:-1]), reversed(line[1:]), strict=True):
            whole[child] = _with_allowed(whole[child], whole[parent_name].test)
        done.update(line)
    return whole


def _with_allowed(item: image.Image, parent: spec.ImageTest) -> image.Image:
    if parent.setuid is None:
        return item
    setuid = tuple(dict.fromkeys((*parent.setuid, *(item.test.setuid or ()))))
    spots = {"setuid": parent.spots["setuid"], **item.test.spots}
    return replace(item, test=replace(item.test, setuid=setuid, spots=spots))


# ── commands and requests ───────────────────────────────────────────────────────────────────────────────────


def run(
    written: schema.CommandTest | schema.ScenarioStep, notes: Notes, path: Path, *, timeout: float
) -> spec.Exec:
    """Parse a command; `timeout` is its default limit in seconds."""
    command = written.run
    if not command or command == [""]:
        # A command that is not a map has no key `run`: its spot is that of the path itself.
        notes.problem((*path, "run"), _NO_COMMAND)
        command = ""
    env = written.env or {}
    return spec.Exec(
        argv=(*spec.SHELL, command) if isinstance(command, str) else tuple(command),
        user=written.user or "",
        env=env,
        statuses=tuple(written.status or (0,)),
        output=written.output or "",
        timeout=seconds(written.timeout, default=timeout),
        spots=_spots(notes, path, "run", _given(status=written.status, output=written.output)),
    )


def runs(
    written: list[schema.CommandTest] | None, notes: Notes, path: Path, *, timeout: float
) -> tuple[spec.Exec, ...]:
    """Parse a list of commands."""
    return tuple(
        run(item, notes, (*path, number), timeout=timeout) for number, item in enumerate(written or ())
    )


def request(written: schema.Http, notes: Notes, path: Path) -> spec.Http:
    """Parse a request; the default is GET / with status 200."""
    values = written.json_ or {}
    for place, value in values.items():
        if isinstance(value, dict | list):
            notes.problem((*path, "json", place), _NOT_ONE_VALUE)
    given = _given(status=written.status, output=written.output)
    spots = _spots(notes, path, "http", given)
    return spec.Http(
        port=written.port,
        path=written.path or "/",
        method=written.method or "GET",
        headers=written.headers or {},
        body=written.body or "",
        statuses=tuple(written.status or (200,)),
        json=values,
        output=written.output or "",
        spots={**spots, **{f"json.{place}": notes.spot(*path, "json", place) for place in values}},
    )


def seconds(text: str | None, *, default: float) -> float:
    """Parse a duration above zero; seconds."""
    return types.seconds(text or "") or default


def _given(**keys: Any) -> Iterable[str]:
    return [key for key, value in keys.items() if value is not None]


def _spots(notes: Notes, path: Path, main: str, keys: Iterable[str]) -> Mapping[str, Spot]:
    # A command that is not a map has no main key: its spot is that of the path itself.
    return {main: notes.spot(*path, main), **{key: notes.spot(*path, key) for key in keys}}
