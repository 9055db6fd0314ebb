"""The lock file: YAML a person reads and reviews, written by `buildsys lock`, never edited by hand.

One thing a line. Values are JSON, which is YAML too, and is read thirty times faster than YAML in general.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from buildsys import files
from buildsys.diagnostics import Code, Diagnostic, Refused, Spot
from buildsys.image import LockedPackage
from buildsys.lock.schema import Place, mistakes

VERSION = 2


@dataclass(frozen=True, slots=True)
class Metadata:
    """The state of a repository when the lock was made."""

    sha256: str
    """Of repomd.xml."""
    revision: str
    time: int
    """Of the newest part of the metadata, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class LockedStep:
    """One instruction about packages: its request, and the packages that answer it."""

    asked: tuple[str, ...]
    """`install`, `remove` or `update`, then names."""
    packages: tuple[LockedPackage, ...]
    """In the order of installation, where the package manager does not decide that itself."""
    early: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """Rows (count, names): after `count` packages are unpacked, these must be configured first."""


@dataclass(frozen=True, slots=True)
class LockedImage:
    """An image's own transactions, and the parent that they were solved against."""

    parent: str
    """Image of the set, or empty: the site's base."""
    steps: tuple[LockedStep, ...]

    def packages(self) -> Iterator[LockedPackage]:
        """The packages of all its transactions."""
        for step in self.steps:
            yield from step.packages


@dataclass(frozen=True, slots=True)
class Lock:
    """The exact packages of a set at a site, and the checksums of everything else that is fetched."""

    set: str
    site: str
    solver: str
    """Hash of the solver's program."""
    images: Mapping[str, LockedImage]
    payloads: Mapping[str, LockedPackage]
    """Packages whose files are copied without installing them, by name."""
    repositories: Mapping[str, Metadata]
    bases: Mapping[str, str] = field(default_factory=dict)
    """Reference of a base image -> its digest."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Repository -> `sha256:HEX` of its key, or the locked package that contains the key."""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """URL -> SHA-256."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Images that cannot be built at this site, which leaves repositories out -> the reason."""

    def packages(self) -> dict[str, LockedPackage]:
        """Every package by its name, epoch, version, release and architecture."""
        found = {item.nevra: item for image in self.images.values() for item in image.packages()}
        return found | {item.nevra: item for item in self.payloads.values()}


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────


def text(lock: Lock) -> str:
    """The lock as YAML: each package once, each image a line."""
    content = "\n".join(_lines(lock)) + "\n"
    return f'{content}seal: "{_seal(content)}"\n'


def _lines(lock: Lock) -> Iterator[str]:
    yield f"# Exact packages of {lock.set} at the site {lock.site}. Written by `buildsys lock`: do not edit."
    yield f"lock: {VERSION}"
    for key in ("set", "site", "solver"):
        yield f"{key}: {json.dumps(getattr(lock, key))}"
    yield from _section("bases", lock.bases.items())
    yield from _section(
        "repositories",
        ((name, [item.sha256, item.revision, item.time]) for name, item in lock.repositories.items()),
    )
    yield from _section("keys", lock.keys.items())
    yield from _section("downloads", lock.downloads.items())
    yield from _section("absent", lock.absent.items())
    yield from _section("packages", ((name, astuple(item)) for name, item in lock.packages().items()))
    yield from _section("payloads", ((name, item.nevra) for name, item in lock.payloads.items()))
    yield from _section("images", ((name, _image(item)) for name, item in lock.images.items()))


def _section(name: str, rows: Iterable[tuple[str, Any]]) -> Iterator[str]:
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(rows)]
    yield f"{name}:" if lines else f"{name}: {{}}"
    yield from lines


def _image(item: LockedImage) -> dict[str, Any]:
    return {"from": item.parent, "steps": [_step(step) for step in item.steps]}


def _step(step: LockedStep) -> list[Any]:
    row: list[Any] = [list(step.asked), [package.nevra for package in step.packages]]
    return [*row, [[count, list(names)] for count, names in step.early]] if step.early else row


def write(lock: Lock, path: Path) -> None:
    """Replace the lock at `path` in one step; files that killed writers left are removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(path.parent):
        # Every writer holds this lock: an unfinished file is of a writer that was killed.
        for unfinished in path.parent.glob(f".*{files.ASIDE}"):
            unfinished.unlink(missing_ok=True)
        files.write(path, text(lock), durable=True)


def _seal(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────


def read(path: Path, *, image_set: str, site: str) -> Lock:
    """Read a lock back.

    Raises:
        Refused: the file is not a lock (`lock-unreadable`), was changed by hand (`lock-edited`), or is of
            another set or site (`lock-of-another`).
    """
    spot = Spot(str(path))
    again = f"bring it back as it was, or remove it and run `buildsys lock {image_set} --site {site}`"
    try:
        content = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Refused(
            [Diagnostic(spot, Code.LOCK_UNREADABLE, f"this lock cannot be read: {why}", again)]
        ) from error
    if f"\nlock: {VERSION}\n" not in content:
        message = "this is not a lock, or it is one of another version of buildsys"
        raise Refused([Diagnostic(spot, Code.LOCK_UNREADABLE, message, again)])
    body, _, seal = content.rpartition("seal: ")
    if seal != f'"{_seal(body)}"\n':
        message = "this lock was changed after `buildsys lock` wrote it"
        raise Refused([Diagnostic(spot, Code.LOCK_EDITED, message, again)])
    # A right seal does not mean right content: anybody can compute it.
    data, lines, found = _parse(body)
    if not found:
        found = [(lines.get(place) or lines.get((place[0], ""), 1), what) for place, what in mistakes(data)]
    if found:
        message = "this is not what `buildsys lock` writes: "
        raise Refused(
            Diagnostic(Spot(str(path), line), Code.LOCK_UNREADABLE, message + what, again)
            for line, what in found
        )
    lock = _lock(data)
    for key, value in (("set", image_set), ("site", site)):
        if data[key] != value:
            message = f"this lock is of the {key} '{data[key]}', not '{value}'"
            hint = f"`buildsys lock {image_set} --site {site}` makes the right one"
            raise Refused([Diagnostic(Spot(str(path), lines[key, ""]), Code.LOCK_OF_ANOTHER, message, hint)])
    return lock


def _parse(body: str) -> tuple[dict[str, Any], dict[Place, int], list[tuple[int, str]]]:
    """The data of a lock, the line of each thing, and (line, text) of each mistake."""
    data: dict[str, Any] = {}
    lines: dict[Place, int] = {}
    found: list[tuple[int, str]] = []
    name, section = "", data
    for number, line in enumerate(body.split("\n")[:-1], 1):
        if line.startswith("#"):
            continue
        try:
            if line.startswith("  "):
                key, value = _row(line)
                holder, place = section, (name, key)
            else:
                name, _, text = line.partition(":")
                value = json.loads(text) if text else {}
                section = value if isinstance(value, dict) else {}
                key, holder, place = name, data, (name, "")
        except (ValueError, RecursionError) as error:
            deep = isinstance(error, RecursionError)
            found.append(
                (number, "too much stands in one another" if deep else "this line is none of a lock")
            )
            continue
        if key in holder:
            found.append((number, "this stands here for the second time"))
        holder[key] = value
        lines[place] = number
    return data, lines, found


_DECODE = json.JSONDecoder().raw_decode


def _row(line: str) -> tuple[str, Any]:
    key, end = _DECODE(line, 2)
    value, last = _DECODE(line, end + 2)
    if not isinstance(key, str) or line[end : end + 2] != ": " or last != len(line):
        raise ValueError
    return key, value


def _lock(data: dict[str, Any]) -> Lock:
    packages = {name: LockedPackage(*fields) for name, fields in data["packages"].items()}
    images = {
        name: LockedImage(
            row["from"],
            tuple(
                LockedStep(
                    tuple(asked),
                    tuple(packages[nevra] for nevra in nevras),
                    tuple((count, tuple(names)) for rows in early for count, names in rows),
                )
                for asked, nevras, *early in row["steps"]
            ),
        )
        for name, row in data["images"].items()
    }
    return Lock(
        set=data["set"],
        site=data["site"],
        solver=data["solver"],
        images=images,
        payloads={name: packages[nevra] for name, nevra in data["payloads"].items()},
        repositories={name: Metadata(*fields) for name, fields in data["repositories"].items()},
        bases=data["bases"],
        keys=data["keys"],
        downloads=data["downloads"],
        absent=data["absent"],
    )
