"""What is to be tried, as a plan's `tests/` and `scenarios/` say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildsys.diagnostics import NOWHERE, Spot

Data = Mapping[str, Any]
CUT = "…"
"""Ends a text that is not whole."""
OPEN, CLOSE = "\ue000", "\ue001"
"""They stand around the name of a value that only a run knows."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things were written, by key."""

    at: Mapping[str, str]

    def spot(self, key: str, *, otherwise: str = "") -> Spot:
        """Where a key was written; else where another was."""
        text = self.at.get(key) or self.at.get(otherwise, "")
        return spot(text)


@dataclass(frozen=True, slots=True)
class Run:
    """A command, and what it must come to."""

    argv: tuple[str, ...]
    user: str
    env: Mapping[str, str]
    statuses: tuple[int, ...]
    output: str
    timeout: float
    places: Places

    @property
    def words(self) -> str:
        """The command as a person names it."""
        text = self.argv[2] if self.argv[:2] == ("/bin/sh", "-ec") else " ".join(self.argv)
        return one_line(text)


@dataclass(frozen=True, slots=True)
class Http:
    """A request, and what must be answered."""

    port: int
    path: str
    method: str
    headers: Mapping[str, str]
    body: str
    statuses: tuple[int, ...]
    json: Mapping[str, Any]
    output: str
    places: Places

    @property
    def words(self) -> str:
        """The request as a person names it."""
        return one_line(f"{self.method} :{self.port}{self.path}")


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port that must be listened at."""

    number: int
    at: Spot


@dataclass(frozen=True, slots=True)
class Service:
    """An image started as it is, and then asked."""

    env: Mapping[str, str]
    cmd: tuple[str, ...] | None
    healthy: bool
    ports: tuple[Port, ...]
    requests: tuple[Http, ...]
    runs: tuple[Run, ...]
    within: float
    at: Spot


@dataclass(frozen=True, slots=True)
class ImageTest:
    """What must be true of an image."""

    image: str
    runs: tuple[Run, ...]
    user: str
    setuid: tuple[str, ...] | None
    size: int
    service: Service | None
    places: Places
    hash: str
    """Of all of it but where it was written."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a scenario."""

    name: str
    image: str
    env: Mapping[str, str]
    mounts: Mapping[str, str]
    cmd: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    user: str
    healthcheck: tuple[str, ...]
    within: float
    after: tuple[str, ...]
    first: tuple[Run, ...]
    then: tuple[Run, ...]
    places: Places


@dataclass(frozen=True, slots=True)
class Step:
    """A step or check of a scenario."""

    about: str
    container: str
    action: Run | Http
    capture: Mapping[str, str]
    retry: float
    places: Places

    @property
    def words(self) -> str:
        """The step as a person names it."""
        return self.about or self.action.words


@dataclass(frozen=True, slots=True)
class Scenario:
    """Images at work together."""

    name: str
    about: str
    timeout: float
    secrets: tuple[str, ...]
    files: Mapping[str, str]
    volumes: tuple[str, ...]
    containers: tuple[Container, ...]
    steps: tuple[Step, ...]
    checks: tuple[Step, ...]
    at: Spot
    hash: str
    """Of all of it but where it was written."""

    @property
    def images(self) -> tuple[str, ...]:
        """The images it is about, by name."""
        return tuple(dict.fromkeys(item.image for item in self.containers))


def tests(directory: Path) -> dict[str, ImageTest]:
    """The tests of a plan, by image."""
    return {name: _image_test(data) for name, data in _all(directory / "tests").items()}


def scenarios(directory: Path) -> dict[str, Scenario]:
    """The scenarios of a plan, by name."""
    return {name: _scenario(data) for name, data in _all(directory / "scenarios").items()}


def hashes(directory: Path) -> dict[str, str]:
    """The hash of every test and scenario of a plan, by its file."""
    return {
        f"{kind}/{name}": data["hash"]
        for kind in ("tests", "scenarios")
        for name, data in _all(directory / kind).items()
    }


def spot(text: str) -> Spot:
    """The place that a text of a plan names."""
    file, _, rest = text.rpartition(":")
    file, _, line = file.rpartition(":")
    return Spot(file, int(line), int(rest)) if file and line.isdigit() and rest.isdigit() else NOWHERE


def one_line(text: str, longest: int = 60) -> str:
    """A text in one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + CUT


def _all(folder: Path) -> dict[str, Data]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def _image_test(data: Data) -> ImageTest:
    service = data["service"]
    return ImageTest(
        image=data["image"],
        runs=tuple(map(_run, data["runs"])),
        user=data["user"],
        setuid=_words(data["setuid"]),
        size=data["size"],
        service=None if service is None else _service(service),
        places=Places(data["at"]),
        hash=data["hash"],
    )


def _service(data: Data) -> Service:
    return Service(
        env=data["env"],
        cmd=_words(data["cmd"]),
        healthy=data["healthy"],
        ports=tuple(Port(item["number"], spot(item["at"])) for item in data["ports"]),
        requests=tuple(map(_http, data["requests"])),
        runs=tuple(map(_run, data["runs"])),
        within=data["within"],
        at=spot(data["at"]),
    )


def _scenario(data: Data) -> Scenario:
    return Scenario(
        name=data["name"],
        about=data["about"],
        timeout=data["timeout"],
        secrets=tuple(data["secrets"]),
        files=data["files"],
        volumes=tuple(data["volumes"]),
        containers=tuple(map(_container, data["containers"])),
        steps=tuple(map(_step, data["steps"])),
        checks=tuple(map(_step, data["checks"])),
        at=spot(data["at"]),
        hash=data["hash"],
    )


def _container(data: Data) -> Container:
    return Container(
        name=data["name"],
        image=data["image"],
        env=data["env"],
        mounts=data["mounts"],
        cmd=_words(data["cmd"]),
        entrypoint=_words(data["entrypoint"]),
        user=data["user"],
        healthcheck=tuple(data["healthcheck"]),
        within=data["within"],
        after=tuple(data["after"]),
        first=tuple(map(_run, data["first"])),
        then=tuple(map(_run, data["then"])),
        places=Places(data["at"]),
    )


def _step(data: Data) -> Step:
    action = data["action"]
    return Step(
        about=data["about"],
        container=data["container"],
        action=_run(action) if "argv" in action else _http(action),
        capture=data["capture"],
        retry=data["retry"],
        places=Places(data["at"]),
    )


def _run(data: Data) -> Run:
    return Run(
        argv=tuple(data["argv"]),
        user=data["user"],
        env=data["env"],
        statuses=tuple(data["statuses"]),
        output=data["output"],
        timeout=data["timeout"],
        places=Places(data["at"]),
    )


def _http(data: Data) -> Http:
    return Http(
        port=data["port"],
        path=data["path"],
        method=data["method"],
        headers=data["headers"],
        body=data["body"],
        statuses=tuple(data["statuses"]),
        json=data["json"],
        output=data["output"],
        places=Places(data["at"]),
    )


def _words(data: list[str] | None) -> tuple[str, ...] | None:
    return None if data is None else tuple(data)
