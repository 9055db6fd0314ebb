"""The images of a set at the end of the last successful periodic build: later changes have to be published.

They are compared with the present images, not with the list of built ones: an image can also come back from
the store under its name, or come from a run that failed later, from a failed test, from `buildsys build`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from buildsys import files
from buildsys.packages.change import PACKAGE, PackageChange, package_changes, packages
from buildsys.plan import read as plan

VERSION = 1


@dataclass(frozen=True, slots=True)
class LeftImage:
    """A current image of a plan."""

    id: str
    reference: str
    packages: tuple[str, ...] = ()
    """The `package` lines of its build key's inputs."""


Left = Mapping[str, LeftImage]
"""Images by name."""


@dataclass(frozen=True, slots=True)
class Change:
    """An image with another id or another reference than before."""

    image: str
    old: LeftImage | None
    """None: there was no such image."""
    new: LeftImage


def now(directory: Path) -> Left:
    """The current images of a plan; none if there is no plan, or its summary is damaged."""
    try:
        planned = plan.planned(directory).images
    except (FileNotFoundError, ValueError):
        return {}
    return {
        name: LeftImage(image.id, planned[name].reference, tuple(_packages(image.inputs)))
        for name, image in plan.built(directory).items()
    }


def _packages(inputs: Iterable[str]) -> Iterator[str]:
    return (line for line in inputs if line.startswith(PACKAGE))


def read(directory: Path) -> Left | None:
    """The images that `write` kept; None: there is no file, or it is damaged."""
    try:
        data = json.loads(_path(directory).read_bytes())
        return {
            name: LeftImage(item["id"], item["reference"], tuple(item["packages"]))
            for name, item in data["images"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(directory: Path, left: Left) -> None:
    """Keep the images of a set."""
    data = {"version": VERSION, "images": {name: asdict(item) for name, item in left.items()}}
    files.write(_path(directory), json.dumps(data) + "\n")


def _path(directory: Path) -> Path:
    return directory / "state" / "baseline.json"


def changes(old: Left, new: Left) -> Iterator[Change]:
    """Images of `new` that `old` has not, or with another id or reference, in the order of the plan."""
    for name, image in new.items():
        before = old.get(name)
        if before is None or (before.id, before.reference) != (image.id, image.reference):
            yield Change(name, before, image)


def changed_packages(old: Left, new: Left) -> Iterator[tuple[str, PackageChange]]:
    """Changed packages of images that both have, each with the image's name."""
    for name, image in new.items():
        before = old.get(name)
        if before is not None and before.packages != image.packages:
            for change in package_changes(packages(before.packages), packages(image.packages)):
                yield name, change
