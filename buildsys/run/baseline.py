"""A set as the last periodic build that ended well left it: what has changed since then has to be published.

Held against the images there are now, not against what one run builds: an image can also come back from the
store under its name, or be left by a run that failed later, by a test that did not pass, by `buildsys build`.
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
    """An image of a plan, as it is in the store."""

    id: str
    reference: str
    packages: tuple[str, ...] = ()
    """The lines of its build key's inputs that name packages."""


Left = Mapping[str, LeftImage]
"""Images by name."""


@dataclass(frozen=True, slots=True)
class Change:
    """An image that has another id, or another reference, than before."""

    image: str
    old: LeftImage | None
    """None: there was no such image."""
    new: LeftImage


def now(directory: Path) -> Left:
    """The images of a plan that are built; none where there is no plan yet, or one that a crash damaged."""
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
    """The set as it was left; None: nobody wrote it down, or the file is damaged."""
    try:
        data = json.loads(_path(directory).read_bytes())
        return {
            name: LeftImage(item["id"], item["reference"], tuple(item["packages"]))
            for name, item in data["images"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(directory: Path, left: Left) -> None:
    """Write down how the set was left, whole."""
    data = {"version": VERSION, "images": {name: asdict(item) for name, item in left.items()}}
    files.write(_path(directory), json.dumps(data) + "\n")


def _path(directory: Path) -> Path:
    return directory / "state" / "baseline.json"


def changes(old: Left, new: Left) -> Iterator[Change]:
    """Images of `new` that are others than before, by id or reference, in the order of the plan."""
    for name, image in new.items():
        before = old.get(name)
        if before is None or (before.id, before.reference) != (image.id, image.reference):
            yield Change(name, before, image)


def changed_packages(old: Left, new: Left) -> Iterator[tuple[str, PackageChange]]:
    """Packages that an image of both installs in another version than before, each with the image's name."""
    for name, image in new.items():
        before = old.get(name)
        if before is not None and before.packages != image.packages:
            for change in package_changes(packages(before.packages), packages(image.packages)):
                yield name, change
