"""The `test` of fragments: what each adds, and what they come to for one image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from buildsys import image
from buildsys.diagnostics import Code, Spot
from buildsys.recipe import schema
from buildsys.resolve import checks, syntax
from buildsys.resolve.source import Notes
from buildsys.testing import spec

PATIENCE = 60.0
"""Seconds a command of a test may take, and a service has until it answers, where the recipe does not say."""


@dataclass(frozen=True, slots=True)
class ServicePart:
    """What one fragment adds to the service of a test."""

    env: Mapping[str, str]
    cmd: tuple[str, ...] | None
    healthy: bool | None
    ports: tuple[spec.Port, ...]
    requests: tuple[spec.Http, ...]
    runs: tuple[spec.Run, ...]
    within: float
    """0: it does not say."""
    spot: Spot


@dataclass(frozen=True, slots=True)
class TestPart:
    """What one fragment adds to an image's test."""

    __test__ = False  # nothing that pytest could run

    runs: tuple[spec.Run, ...] = ()
    user: str = ""
    setuid: tuple[str, ...] | None = None
    size: int = 0
    service: ServicePart | None = None
    spots: Mapping[str, Spot] = field(default_factory=dict)


def test_part(written: schema.ImageTest, notes: Notes) -> TestPart:
    """The part of a test that a fragment stands for."""
    size = 0
    if written.size is not None:
        size = syntax.size(written.size) or 0
        if not size:
            problem = (Code.BAD_SIZE, f"'{written.size}' is not a size", "sizes look like 900MB or 1.5GiB")
            notes.problem(("test", "size"), problem)
    setuid = None
    if written.setuid is not None:
        setuid = notes.check_each(("test", "setuid"), syntax.path, written.setuid)
    given = [key for key in ("user", "setuid", "size") if getattr(written, key) is not None]
    return TestPart(
        runs=checks.runs(written.run, notes, ("test", "run"), timeout=PATIENCE),
        user=notes.check(("test", "user"), syntax.user, written.user),
        setuid=setuid,
        size=size,
        service=None if written.service is None else _service(written.service, notes),
        spots={key: notes.spot("test", key) for key in given},
    )


def _service(written: schema.Service, notes: Notes) -> ServicePart:
    path = ("test", "service")
    for name in written.env or {}:
        notes.problem((*path, "env", name), syntax.environment_name(name), key=True)
    return ServicePart(
        env=written.env or {},
        cmd=None if written.cmd is None else tuple(written.cmd),
        healthy=written.healthy,
        ports=tuple(
            spec.Port(checks.port(number, notes, (*path, "port", place)), notes.spot(*path, "port", place))
            for place, number in enumerate(written.port or ())
        ),
        requests=tuple(
            checks.request(request, notes, (*path, "http", *place))
            for place, request in _placed(written.http or [], notes, (*path, "http"))
        ),
        runs=checks.runs(written.run, notes, (*path, "run"), timeout=PATIENCE),
        within=checks.seconds(written.within, notes, (*path, "within"), default=0.0),
        spot=notes.spot(*path),
    )


def _placed(
    requests: list[schema.Http], notes: Notes, path: checks.Path
) -> Iterator[tuple[tuple[int, ...], schema.Http]]:
    """Requests, each with its place in the list they are written in; one alone has none."""
    data = notes.written.data
    for key in path if requests else ():
        data = data[key]
    for number, request in enumerate(requests):
        yield (number,) if isinstance(data, list) else (), request


def joined(parts: Iterable[TestPart]) -> spec.ImageTest:
    """The test of an image: what is demanded grows, and of what there is one the last counts."""
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
    """The images, each allowed the set-user-ID files of its parents as well: it holds those files, too."""
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
