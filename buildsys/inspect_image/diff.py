"""The differences of two built images: configuration, then layers from the lowest, file by file."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from buildsys.diagnostics import Refused
from buildsys.inspect_image.layer import Entry
from buildsys.inspect_image.package_database import installed, of_database
from buildsys.inspect_image.stored_image import BuiltImage
from buildsys.packages.change import package_changes

CONFIGURATION, MANIFEST = "configuration", "manifest"
ABSENT = ""
"""The value of a side that has none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of two images."""

    where: str
    """`configuration`, `manifest`, or a layer: `layer 2`, counted from the lowest."""
    path: str
    """Path of a file, or of a value of the configuration."""
    what: str
    """The property that differs: `mode`, `content`, `package bash.x86_64`."""
    a: str
    """Its value in the first image; ABSENT where there is none."""
    b: str


def differences(a: BuiltImage, b: BuiltImage) -> Iterator[Difference]:
    """All differences, in order; each layer is fetched when it is compared. Equal images have none.

    Raises:
        Refused: a layer cannot be read (`unreadable-image`).
    """
    yield from _values(MANIFEST, _described(a.manifest), _described(b.manifest))
    yield from _configurations(a, b)
    for number, (one, other) in enumerate(zip_longest(a.layers, b.layers)):
        if one != other:
            yield from _layers(a, b, number)


# ── configuration ───────────────────────────────────────────────────────────────────────────────────────────


def _described(manifest: dict[str, Any]) -> dict[str, Any]:
    """The values that only the manifest has; the rest are sizes and digests of what is compared anyway."""
    return {key: manifest[key] for key in ("mediaType", "annotations") if manifest.get(key)}


def _configurations(a: BuiltImage, b: BuiltImage) -> Iterator[Difference]:
    one, other = ({**image.config, "rootfs": None} for image in (a, b))
    yield from _values(CONFIGURATION, one, other)
    if one == other and a.layers == b.layers and a.id != b.id:
        yield Difference(CONFIGURATION, ABSENT, "same values, written in another way", a.id, b.id)


def _values(where: str, a: Any, b: Any, path: str = "") -> Iterator[Difference]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from _values(where, a.get(key), b.get(key), f"{path}.{key}" if path else key)
    elif isinstance(a, list) and isinstance(b, list):
        for number, (one, other) in enumerate(zip_longest(a, b)):
            yield from _values(where, one, other, f"{path}[{number}]")
    elif a != b:
        yield Difference(where, path, "value", _shown(a), _shown(b))


def _shown(value: Any) -> str:
    if value is None:
        return ABSENT
    return value if value and isinstance(value, str) else json.dumps(value)


# ── layers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _layers(a: BuiltImage, b: BuiltImage, number: int) -> Iterator[Difference]:
    where = f"layer {number + 1}"
    if number >= min(len(a.layers), len(b.layers)):
        counts = (f"of {len(image.layers)}" for image in (a, b))
        yield Difference(where, ABSENT, "only one has it", *counts)
        return
    one, other = a.entries(number), b.entries(number)
    database = False
    for path in sorted(one.keys() | other.keys()):
        if one.get(path) == other.get(path):
            continue
        if of_database(path):
            if not database:
                yield from _databases(a, b, number, posixpath.dirname(path))
            database = True
            continue
        for what, left, right in _properties(one.get(path), other.get(path)):
            yield Difference(where, path, what, left, right)
    if one == other:
        digests = (image.layers[number] for image in (a, b))
        yield Difference(where, ABSENT, "same files, packed in another way", *digests)


def _properties(a: Entry | None, b: Entry | None) -> Iterator[tuple[str, str, str]]:
    if a is None or b is None or a.kind != b.kind:
        yield "kind", a.kind if a else ABSENT, b.kind if b else ABSENT
        return
    if a.sha256 != b.sha256:
        yield "content", f"{a.size} bytes, sha256 {a.sha256}", f"{b.size} bytes, sha256 {b.sha256}"
    if a.mode != b.mode:
        yield "mode", f"{a.mode:o}", f"{b.mode:o}"
    if (a.user, a.group) != (b.user, b.group):
        yield "owner", f"{a.user}:{a.group}", f"{b.user}:{b.group}"
    if a.modified != b.modified:
        yield "time", _time(a.modified), _time(b.modified)
    if a.link != b.link:
        yield "target", a.link, b.link
    if a.device != b.device:
        yield "device", "{}:{}".format(*a.device), "{}:{}".format(*b.device)
    for name in sorted(a.attributes.keys() | b.attributes.keys()):
        if a.attributes.get(name) != b.attributes.get(name):
            yield f"attribute {name}", _hex(a.attributes, name), _hex(b.attributes, name)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _hex(attributes: Mapping[str, bytes], name: str) -> str:
    return f"0x{attributes[name].hex()}" if name in attributes else ABSENT


def _databases(a: BuiltImage, b: BuiltImage, number: int, folder: str) -> Iterator[Difference]:
    """Compare databases by their packages: their files contain the time of each installation, too."""
    where = f"layer {number + 1}"
    try:
        one, other = installed(a, number + 1), installed(b, number + 1)
    except Refused as refused:
        reason = refused.diagnostics[0].message
        yield Difference(where, folder, f"files of the package database; {reason}", ABSENT, ABSENT)
        return
    if one == other:
        count = f"{len(one)} packages"
        yield Difference(where, folder, "equal packages, other files of the database", count, count)
    for change in package_changes(one, other):
        what = f"package {change.name}.{change.arch}"
        again = ": another of the same version" if change.old == change.new else ""
        yield Difference(where, folder, what + again, change.old, change.new)
