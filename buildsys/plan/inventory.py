"""What the images of a plan hold, from the plan alone: packages, copied files, gems, the base image."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from buildsys.plan import read
from buildsys.plan.effects import (
    Copied,
    Deleted,
    Edited,
    Installed,
    Moved,
    Opened,
    Removed,
    Taken,
    Unknown,
    effects,
)

if TYPE_CHECKING:
    from buildsys.image import ImageSet
    from buildsys.packages.rpm_payload import File

ORIGINS = "state/packages.json"
"""Where packages come from, by the name of their file. No build key reads it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What the lock knows of a package and the plan's keys do not."""

    repository: str
    source: str
    """The source package: the name of its file, or `NAME_VERSION`; empty: unknown."""
    licence: str
    """As the repository's metadata has it; empty: unknown."""


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package of an image."""

    name: str
    evr: str
    """`epoch:version-release`, without a zero epoch."""
    arch: str
    file: str
    sha256: str
    origin: Origin
    image: str
    """The image that installs it: the image itself, or an ancestor."""
    spot: str
    """`file:line:column` of the request; of the image's recipe if no recipe names the package."""
    requested: bool
    """Whether a recipe names it; else it is a dependency."""

    @property
    def format(self) -> str:
        """`rpm` or `deb`."""
        return self.file.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file that a recipe puts into an image: one of the set, a download, or one of a package or image."""

    path: str
    sha256: str
    """Empty: the plan does not know it, or a later instruction edits the file."""
    source: str
    """`context`, `download`, `package NAME` or `image NAME`."""
    image: str
    spot: str


@dataclass(frozen=True, slots=True)
class Gem:
    """A gem file that the image's gem command may install from."""

    file: str
    sha256: str
    image: str
    spot: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an image holds, what it inherits included."""

    image: str
    reference: str
    recipe: str
    """`file:line:column`."""
    ancestors: tuple[str, ...]
    """The images of the plan that it is made from, the nearest first."""
    base: str
    """The base image of the first ancestor, by digest if it is locked; empty: an empty root."""
    packages: tuple[InstalledPackage, ...]
    """By name, version and architecture."""
    files: tuple[CopiedFile, ...]
    gems: tuple[Gem, ...]
    gaps: tuple[str, ...]
    """Why the list of packages is not complete, a sentence each; none: it is complete."""


def origins(image_set: ImageSet) -> dict[str, tuple[str, str, str]]:
    """Repository, source package and licence of each locked package of the set, by the name of its file."""
    from buildsys.image import Transaction

    return {
        item.file: (item.repository, item.source, item.licence)
        for image in image_set.images.values()
        for step in image.instructions
        if isinstance(step, Transaction)
        for item in step.packages
    }


def write_origins(image_set: ImageSet, directory: Path) -> None:
    """Keep the origins of packages with the plan in `directory`; a file that is right stays as it is."""
    from buildsys import files

    text = json.dumps(origins(image_set), sort_keys=True, indent=0) + "\n"
    (directory / ORIGINS).parent.mkdir(exist_ok=True)
    files.update(directory / ORIGINS, text)


class _Held:
    """What an image holds, while it is collected."""

    def __init__(
        self,
        packages: Mapping[tuple[str, str], InstalledPackage] | None = None,
        files: Mapping[str, CopiedFile] | None = None,
        gems: Mapping[str, Gem] | None = None,
        base: str = "",
        gaps: tuple[str, ...] = (),
    ) -> None:
        self.packages = dict(packages or {})
        self.files = dict(files or {})
        self.gems = dict(gems or {})
        self.base = base
        self.gaps = gaps


class Inventories:
    """The inventories of a plan's images; files that several images need are read once."""

    def __init__(self, directory: Path) -> None:
        """Read the summary of the plan.

        Raises:
            FileNotFoundError: the directory holds no plan.
            ValueError: the plan is damaged.
        """
        self.planned = read.planned(directory)
        self._directory = directory
        self._origins = _origins(directory)
        summary = read.summary(directory)
        self.epoch = int(summary["epoch"])
        """The set's time, in seconds since 1970."""
        self.version = str(summary["buildsys"])
        """The version of buildsys that wrote the plan."""
        self._recipes = {name: str(entry["recipe"]) for name, entry in summary["images"].items()}
        self._done: dict[str, _Held] = {}
        self._payloads: dict[str, Mapping[str, File]] = {}

    def of(self, image: str) -> Inventory:
        """The inventory of an image.

        Raises:
            KeyError: the plan has no such image.
            ValueError: the plan is damaged.
        """
        held = self._held(image)
        ancestors = []
        name = self.planned.images[image].parent
        while name:
            ancestors.append(name)
            name = self.planned.images[name].parent
        return Inventory(
            image=image,
            reference=self.planned.images[image].reference,
            recipe=self._recipes.get(image, ""),
            ancestors=tuple(ancestors),
            base=held.base,
            packages=tuple(sorted(held.packages.values(), key=lambda item: (item.name, item.evr, item.arch))),
            files=tuple(held.files[path] for path in sorted(held.files)),
            gems=tuple(held.gems[file] for file in sorted(held.gems)),
            gaps=held.gaps,
        )

    def _held(self, image: str) -> _Held:
        if image not in self._done:
            parent = self.planned.images[image].parent
            # Parents first, one at a time: a chain may be longer than the stack is deep.
            chain = [image]
            while parent and parent not in self._done:
                chain.append(parent)
                parent = self.planned.images[parent].parent
            for name in reversed(chain):
                above = self.planned.images[name].parent
                self._done[name] = self._own(name, self._done[above] if above else _Held())
        return self._done[image]

    def _digest(self, package: str, path: str) -> str:
        """SHA-256 of a file of an RPM package in the plan's pool; empty: it is unknown."""
        from buildsys.packages.rpm_payload import files_of

        if package not in self._payloads:
            self._payloads[package] = files_of(self._directory / "pool/packages" / package) if package else {}
        file = self._payloads[package].get(str(PurePosixPath("/", path)))
        return file.digest if file and stat.S_ISREG(file.mode) else ""

    def _own(self, image: str, inherited: _Held) -> _Held:
        try:
            lines = read.inputs(self._directory, image)
            steps = read.step_text(self._directory, image)
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{self._directory}: the plan of '{image}' is damaged: {error}") from error
        recipe = self._recipes.get(image, "")
        held = _Held(
            dict(inherited.packages), dict(inherited.files), dict(inherited.gems), inherited.base,
            inherited.gaps,
        )  # fmt: skip
        packages: dict[str, str] = {}
        known: dict[str, tuple[str, ...]] = {}
        for line in lines:
            match line.split(" "):
                case ["package", name, evr, arch, file, checksum]:
                    known[file] = (name, evr, arch, checksum.removeprefix("sha256:"))
                case ["gem", file, sha256]:
                    held.gems[file] = Gem(file, sha256, image, recipe)
                case ["base", *words]:
                    held.base = " ".join(words)
                    held.gaps = (f"packages of the base image {held.base}",)
                case _:  # another kind of input
                    pass
        for item in effects(steps):
            match item:
                case Installed(files):
                    if not known.keys() >= files.keys():
                        raise ValueError(f"{self._directory}: the step of '{image}' is of another plan")
                    for file, spot in files.items():
                        name, evr, arch, sha256 = known[file]
                        held.packages[name, arch] = InstalledPackage(
                            name, evr, arch, file, sha256, self._origins.get(file, Origin("", "", "")),
                            image, spot or recipe, bool(spot),
                        )  # fmt: skip
                case Removed(names):
                    held.packages = {key: kept for key, kept in held.packages.items() if key[0] not in names}
                case Copied(path, sha256, source, spot):
                    held.files[path] = CopiedFile(path, sha256, source, image, spot or recipe)
                case Taken(path, package, inside, spot):
                    held.files[path] = CopiedFile(
                        path, self._digest(packages.get(package, ""), inside), f"package {package}", image,
                        spot or recipe,
                    )  # fmt: skip
                case Opened(package, file):
                    packages[package] = file
                case Deleted(patterns):
                    held.files = {
                        path: kept for path, kept in held.files.items()
                        if not any(_is_below(path, pattern) for pattern in patterns)
                    }  # fmt: skip
                case Moved(path, to):
                    if moved := held.files.pop(path, None):
                        held.files[to] = replace(moved, path=to)
                case Edited(path):
                    if edited := held.files.get(path):
                        held.files[path] = replace(edited, sha256="")
                case Unknown(what):
                    held.gaps = (*held.gaps, f"{what} in {image}")
        return held


def _origins(directory: Path) -> dict[str, Origin]:
    try:
        data = json.loads((directory / ORIGINS).read_bytes())
        return {file: Origin(*map(str, row)) for file, row in data.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _is_below(path: str, pattern: str) -> bool:
    return any(fnmatchcase(part, pattern) for part in (path, *map(str, PurePosixPath(path).parents)))
