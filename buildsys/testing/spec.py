"""What is tried of images before they may be used: the test of one image, and scenarios of several.

A text of a scenario may hold values that only a run knows, each as its name between OPEN and CLOSE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from buildsys.diagnostics import NOWHERE, Spot

OPEN, CLOSE = "\ue000", "\ue001"
"""Characters that Unicode gives no meaning: around the name of a value that only a run knows."""


@dataclass(frozen=True, slots=True)
class Run:
    """A command in a container, and what it must come to."""

    argv: tuple[str, ...]
    user: str
    """Empty: the image's, or the container's."""
    env: Mapping[str, str]
    statuses: tuple[int, ...]
    """Exit statuses that are right."""
    output: str
    """A regular expression that must match somewhere in what it says; empty: any will do."""
    timeout: float
    """Seconds it may take."""
    spots: Mapping[str, Spot] = field(compare=False)
    """Where it was written: by `run`, and by `status` and `output` where there are such keys."""


@dataclass(frozen=True, slots=True)
class Http:
    """A request to a server in a container, and what must be answered."""

    port: int
    path: str
    method: str
    headers: Mapping[str, str]
    body: str
    statuses: tuple[int, ...]
    json: Mapping[str, Any]
    """Values by their place in the answer's JSON: `versions.0.id`."""
    output: str
    """A regular expression that must match somewhere in the answer's body; empty: any will do."""
    spots: Mapping[str, Spot] = field(compare=False)
    """Where it was written: by `http`, and by `status`, `output` and `json.PLACE` where there are such."""


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port at which the service must listen."""

    number: int
    spot: Spot = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Service:
    """The image started as it is, and then asked."""

    env: Mapping[str, str]
    cmd: tuple[str, ...] | None
    """None: the image's own."""
    healthy: bool
    """Whether its health check must say so."""
    ports: tuple[Port, ...]
    requests: tuple[Http, ...]
    runs: tuple[Run, ...]
    """Commands within the container that serves."""
    within: float
    """Seconds until all of this must be so."""
    spot: Spot = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ImageTest:
    """What must be true of an image. Where nothing is demanded: empty, zero or None."""

    runs: tuple[Run, ...] = ()
    user: str = ""
    setuid: tuple[str, ...] | None = None
    """Paths that may change who runs them, those of its parents left out; None: any may."""
    size: int = 0
    """Bytes that all its layers may have."""
    service: Service | None = None
    spots: Mapping[str, Spot] = field(default_factory=dict, compare=False)
    """Where `user`, `setuid` and `size` were written."""


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
    """Instead of the image's own, `CMD` or `CMD-SHELL` first; empty: the image's own, where it has one."""
    within: float
    """Seconds from its start until it must be healthy."""
    after: tuple[str, ...]
    """Containers that must be ready before it."""
    first: tuple[Run, ...]
    """Commands, each in a container of its own like this one, before it starts."""
    then: tuple[Run, ...]
    """Commands within it once it is healthy; after them it is ready."""
    spots: Mapping[str, Spot] = field(compare=False)
    """Where it was written: by `container`; `within` and `mounts.PATH`, where there are such keys."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step or check of a scenario, when all containers are ready."""

    about: str
    """What it shows, in words; else the command or the request itself."""
    container: str
    """Empty: it is a request, and asked within the pod."""
    action: Run | Http
    capture: Mapping[str, str]
    """Values for the steps after it: by name, a regular expression for what was said."""
    retry: float
    """Seconds for which it is tried again until it passes."""
    spots: Mapping[str, Spot] = field(compare=False)
    """Where `capture.NAME` was written."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Images of a set at work together, in one pod without a network."""

    name: str
    about: str
    timeout: float
    """Seconds that all of it may take."""
    secrets: tuple[str, ...]
    """Names of values that are made for each run."""
    files: Mapping[str, str]
    """Texts of files that containers mount, by relative path."""
    volumes: tuple[str, ...]
    """Names of directories that containers share."""
    containers: tuple[Container, ...]
    steps: tuple[Step, ...]
    """One after the other; the first that fails ends the scenario."""
    checks: tuple[Step, ...]
    """All of them are made, whatever the others say."""
    spot: Spot = field(default=NOWHERE, compare=False)
