"""The facts: what the published Pike images are, read from `facts/*.json`.

Of one image they hold its configuration and its *events* in the order in which they happened:
transactions of packages, files copied, and the 460 steps. A `Fact` names one statement of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "facts"


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """One statement about one image: `topic` is its kind, `subject` tells it from the others."""

    image: str
    topic: str
    subject: str

    def __str__(self) -> str:
        return f"{self.image}: {self.topic} {self.subject}".rstrip()


@dataclass(frozen=True, slots=True)
class Transaction:
    """Packages installed together."""

    image: str
    seq: int
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file copied into an image; `source` is its path below `/usr/share/kolla` in the package."""

    image: str
    seq: int
    source: str
    to: str
    size: int
    sha256: str
    fact: Fact


@dataclass(frozen=True, slots=True)
class Step:
    """One of the 460 steps; `number` counts them within the image, from 1."""

    image: str
    seq: int
    number: int
    kind: str
    values: Mapping[str, Any] = field(hash=False)
    fact: Fact

    def text(self, key: str) -> str:
        """The value of `key`, empty when the step has none."""
        return str(self.values.get(key, ""))

    def texts(self, key: str) -> tuple[str, ...]:
        """The values of a list, empty when the step has none."""
        return tuple(map(str, self.values.get(key, ())))

    def flag(self, key: str) -> bool:
        return bool(self.values.get(key, False))


Event = Transaction | CopiedFile | Step


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the base image; home and groups are given by the images in `configured_in`."""

    name: str
    uid: int
    gid: int
    shell: str
    home: str
    groups: tuple[str, ...]
    configured_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the facts say of one image; configuration it does not set is its parent's."""

    name: str
    parent: str
    user: str
    cmd: tuple[str, ...]
    healthcheck: str
    env: Mapping[str, str]
    labels: Mapping[str, str]
    stop_signal: str
    events: tuple[Event, ...]
    dropped_packages: tuple[str, ...] = ()
    dropped_files: tuple[str, ...] = ()
    """What Kolla puts into the image and TripleO takes out again."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(event for event in self.events if isinstance(event, Step))

    @property
    def files(self) -> tuple[CopiedFile, ...]:
        return tuple(event for event in self.events if isinstance(event, CopiedFile))

    @property
    def packages(self) -> tuple[str, ...]:
        """Every package named, once, in order."""
        named = (name for event in self.events if isinstance(event, Transaction) for name in event.packages)
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts: images (parents before children), accounts, and the versions that are known."""

    images: Mapping[str, ImageFacts]
    accounts: Mapping[str, Account]
    versions: Mapping[str, str]

    def chain(self, name: str) -> tuple[str, ...]:
        """The image and its ancestors, the base first."""
        parent = self.images[name].parent
        return (*self.chain(parent), name) if parent else (name,)

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for image in self.images.values() for step in image.steps)


@cache
def load(folder: Path = FOLDER) -> Facts:
    """Read the facts from their folder."""
    packages, files, steps = _read(folder, "packages"), _read(folder, "files"), _read(folder, "steps")
    dropped = _read(folder, "dropped")
    images = {
        name: ImageFacts(
            name=name,
            parent=data["parent"] or "",
            user=data["user"],
            cmd=tuple(data["cmd"]),
            healthcheck=data.get("healthcheck", ""),
            env=data.get("env", {}),
            labels=data["labels"],
            stop_signal=data.get("stop_signal", ""),
            events=_events(name, packages.get(name, []), files.get(name, []), steps.get(name, [])),
            dropped_packages=tuple(dropped.get(name, {}).get("packages", ())),
            dropped_files=tuple(dropped.get(name, {}).get("files", ())),
        )
        for name, data in _read(folder, "images").items()
    }
    accounts = {
        name: Account(
            name,
            data["uid"],
            data["gid"],
            data["shell"],
            data.get("home", ""),
            tuple(data.get("groups", ())),
            tuple(data.get("configured_in", ())),
        )
        for name, data in _read(folder, "accounts").items()
    }
    return Facts(images, accounts, _read(folder, "versions"))


def _events(image: str, packages: list[Any], files: list[Any], steps: list[Any]) -> tuple[Event, ...]:
    # Where a transaction and a step share a place in the order, the step acted on what was installed.
    events: list[Event] = [Transaction(image, item["seq"], tuple(item["packages"])) for item in packages]
    for item in files:
        fact = Fact(image, "file", item["to"])
        events.append(
            CopiedFile(image, item["seq"], item["source"], item["to"], item["bytes"], item["sha256"], fact)
        )
    for number, item in enumerate(steps, 1):
        values = {key: value for key, value in item.items() if key not in ("seq", "kind")}
        events.append(step(image, number, item["kind"], values, seq=item["seq"]))
    return tuple(sorted(events, key=lambda event: event.seq))


def step(image: str, number: int, kind: str, values: Mapping[str, Any], *, seq: int = 0) -> Step:
    """A step with the fact that names it."""
    words = [word for key, value in values.items() for word in _words(key, value)]
    fact = Fact(image, "step", f"{number} {' '.join([kind, *words])}")
    return Step(image, seq, number, kind, values, fact)


def _words(key: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [key] if value else []
    if isinstance(value, dict):
        return [f"{name}={text}" for name, text in value.items()]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _read(folder: Path, topic: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / f"{topic}.json").read_text("utf-8"))
    return data
