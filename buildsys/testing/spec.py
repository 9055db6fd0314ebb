"""The one model of tests and scenarios: recipes are parsed into it, plans hold it, verdicts are given by it.

In a scenario, texts may contain values that exist only while it runs: secrets, and what steps capture. Each
is written as its name between OPEN and CLOSE.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from buildsys.diagnostics import NOWHERE, Spot

OPEN, CLOSE = "\ue000", "\ue001"
"""Enclose the name of a value that exists only while a scenario runs: code points for private use."""
CUT = "…"
"""Marks the end of a shortened text."""
SHELL = ("/bin/sh", "-ec")
"""Runs a command that is written as one text."""


# ── the model ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Exec:
    """A command in a container, and its expected result."""

    argv: tuple[str, ...]
    user: str
    """Empty: the user of the image or of the container."""
    env: Mapping[str, str]
    statuses: tuple[int, ...]
    """Accepted exit statuses."""
    output: str
    """A regular expression that must match somewhere in stdout and stderr; empty: any output is accepted."""
    timeout: float
    """Limit in seconds."""
    spots: Mapping[str, Spot] = field(compare=False)
    """By key: `run`, and `status` and `output` where they are written."""

    @property
    def label(self) -> str:
        """The command for people, in one short line."""
        return one_line(self.argv[2] if self.argv[:2] == SHELL else " ".join(self.argv))


@dataclass(frozen=True, slots=True)
class Http:
    """A request to a server in a container, and the expected answer."""

    port: int
    path: str
    method: str
    headers: Mapping[str, str]
    body: str
    statuses: tuple[int, ...]
    """Accepted HTTP statuses."""
    json: Mapping[str, Any]
    """Expected values by their path in the answer's JSON: `versions.0.id`."""
    output: str
    """A regular expression that must match somewhere in the body; empty: any body is accepted."""
    spots: Mapping[str, Spot] = field(compare=False)
    """By key: `http`, and `status`, `output` and `json.PATH` where they are written."""

    @property
    def label(self) -> str:
        """The request for people, in one short line."""
        return one_line(f"{self.method} :{self.port}{self.path}")


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port on which the service must listen."""

    number: int
    spot: Spot = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Service:
    """The image started with its own command, and what it must answer."""

    env: Mapping[str, str]
    cmd: tuple[str, ...] | None
    """None: the command of the image."""
    healthy: bool
    """Whether its health check must pass."""
    ports: tuple[Port, ...]
    requests: tuple[Http, ...]
    runs: tuple[Exec, ...]
    """Commands inside the running container."""
    within: float
    """Limit in seconds for everything but `runs`."""
    spot: Spot = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ImageTest:
    """The requirements of one image; empty, zero or None where there is none."""

    runs: tuple[Exec, ...] = ()
    user: str = ""
    setuid: tuple[str, ...] | None = None
    """Allowed set-user-ID and set-group-ID files; None: all."""
    size: int = 0
    """Largest size of all layers together, in bytes."""
    service: Service | None = None
    spots: Mapping[str, Spot] = field(default_factory=dict, compare=False)
    """By key: `user`, `setuid` and `size` where they are written."""

    @property
    def hash(self) -> str:
        """Identifies the requirements; see `_hash`."""
        return _hash(self)


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a scenario."""

    name: str
    image: str
    """An image of the set, by name."""
    env: Mapping[str, str]
    mounts: Mapping[str, str]
    """By path in the container: a file, a folder of files, or a volume of the scenario."""
    cmd: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    user: str
    healthcheck: tuple[str, ...]
    """Replaces the image's own, with `CMD` or `CMD-SHELL` first; empty: the image's own, if it has one."""
    within: float
    """Limit in seconds from its start until it is healthy."""
    after: tuple[str, ...]
    """Containers that must be ready before it starts."""
    first: tuple[Exec, ...]
    """Commands that run before it starts, each in its own container with the same options."""
    then: tuple[Exec, ...]
    """Commands inside it as soon as it is healthy; after them it is ready."""
    spots: Mapping[str, Spot] = field(compare=False)
    """By key: `container`; `within` and `mounts.PATH` where they are written."""


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """One step or check of a scenario; steps begin when all containers are ready."""

    about: str
    """A description for people; empty: the label of the action is used."""
    container: str
    """The container of a command; empty for a request, which is sent inside the pod."""
    action: Exec | Http
    capture: Mapping[str, str]
    """Values for later steps: name -> regular expression for the output."""
    retry: float
    """Seconds for which the step is repeated until it passes."""
    spots: Mapping[str, Spot] = field(compare=False)
    """By key: `capture.NAME`."""

    @property
    def label(self) -> str:
        """The step for people, in one short line."""
        return self.about or self.action.label


@dataclass(frozen=True, slots=True)
class Scenario:
    """Several images of a set at work together, in one pod without a network."""

    name: str
    about: str
    """A description for people."""
    timeout: float
    """Limit in seconds for the whole scenario."""
    secrets: tuple[str, ...]
    """Names of values that are generated for each run."""
    files: Mapping[str, str]
    """Texts of files that containers mount, by relative path."""
    volumes: tuple[str, ...]
    """Names of directories that containers share."""
    containers: tuple[Container, ...]
    steps: tuple[ScenarioStep, ...]
    """Run in this order; the first failure ends the scenario."""
    checks: tuple[ScenarioStep, ...]
    """Run after the steps; all of them, even if some fail."""
    spot: Spot = field(default=NOWHERE, compare=False)

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images that it uses."""
        return tuple(dict.fromkeys(item.image for item in self.containers))

    @property
    def hash(self) -> str:
        """Identifies the scenario; see `_hash`."""
        return _hash(self)


def place(spots: Mapping[str, Spot], *keys: str) -> Spot:
    """The spot of the first of these keys that is written."""
    return next((spots[key] for key in keys if key in spots), NOWHERE)


def one_line(text: str, longest: int = 60) -> str:
    """A text in one line of at most `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + CUT


# ── its form in a plan: `tests/IMAGE.json` and `scenarios/NAME.json` ────────────────────────────────────────

_KEYS = {"spot": "at", "spots": "at"}
"""Fields with another name in JSON; they do not count for the hash."""


def files(tests: Mapping[str, ImageTest], scenarios: Mapping[str, Scenario]) -> Iterator[tuple[str, str]]:
    """The files of a plan: (path, text); an image without requirements has none."""
    for name, test in tests.items():
        if test != ImageTest():
            yield f"tests/{name}.json", _text(test, image=name)
    for name, scenario in scenarios.items():
        yield f"scenarios/{name}.json", _text(scenario)


def read_tests(plan: Path) -> dict[str, ImageTest]:
    """The tests of a plan, by image."""
    return {name: _value(ImageTest, data) for name, data in _data_of(plan / "tests").items()}


def read_scenarios(plan: Path) -> dict[str, Scenario]:
    """The scenarios of a plan, by name."""
    return {name: _value(Scenario, data) for name, data in _data_of(plan / "scenarios").items()}


def read_hashes(plan: Path) -> dict[str, str]:
    """The hashes of all tests and scenarios of a plan, by `tests/IMAGE` and `scenarios/NAME`."""
    folders = ("tests", "scenarios")
    return {
        f"{kind}/{name}": data["hash"] for kind in folders for name, data in _data_of(plan / kind).items()
    }


def _data_of(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def _text(what: ImageTest | Scenario, **head: str) -> str:
    return json.dumps({**head, "hash": what.hash, **_data(what)}, indent=1) + "\n"


def _hash(what: ImageTest | Scenario) -> str:
    """SHA-256 of everything but the spots: a test that only moved to another line is not run again."""
    return hashlib.sha256(json.dumps(_data(what, spots=False)).encode()).hexdigest()


def _data(value: Any, *, spots: bool = True) -> Any:
    """A value of the model as JSON."""
    if isinstance(value, Spot):
        return str(value)
    if is_dataclass(value):
        kept = (item.name for item in fields(value) if spots or item.name not in _KEYS)
        return {_KEYS.get(name, name): _data(getattr(value, name), spots=spots) for name in kept}
    if isinstance(value, Mapping):
        return {key: _data(inner, spots=spots) for key, inner in value.items()}
    return [_data(inner, spots=spots) for inner in value] if isinstance(value, tuple) else value


def _value(kind: Any, data: Any) -> Any:
    """The value of type `kind` that `_data` turned into `data`."""
    if kind is Spot:
        return spot(data)
    if types := _types(kind):
        return kind(**{name: _value(inner, data[_KEYS.get(name, name)]) for name, inner in types.items()})
    inner = get_args(kind)
    if isinstance(kind, UnionType):
        if data is None:
            return None
        # Of several classes, the one whose fields are all there.
        options = (
            item for item in inner if item is not NoneType and _types(item).keys() - _KEYS <= set(data)
        )
        return _value(next(options), data)
    if get_origin(kind) is tuple:
        return tuple(_value(inner[0], item) for item in data)
    return (
        {key: _value(inner[1], item) for key, item in data.items()} if get_origin(kind) is Mapping else data
    )


@cache
def _types(kind: Any) -> dict[str, Any]:
    """The fields of a class of the model with their types; empty for any other type."""
    return get_type_hints(kind) if is_dataclass(kind) else {}


def spot(text: str) -> Spot:
    """The spot whose text form is `FILE:LINE:COLUMN`; NOWHERE for any other text."""
    file, _, column = text.rpartition(":")
    file, _, line = file.rpartition(":")
    return Spot(file, int(line), int(column)) if file and line.isdigit() and column.isdigit() else NOWHERE
