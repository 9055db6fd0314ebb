"""The OCI labels of an image that a lock knows: those of the package that the image is there for.

They change with packages only, so they make no image stale; and a child never shows those of its parent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from buildsys.graph import ImageGraph
from buildsys.image import SOURCE_PACKAGE, SOURCE_VERSION, BaseImage, Image, LockedPackage, ParentImage
from buildsys.lock.diff import source_version
from buildsys.lock.lockfile import Lock, LockedImage

PREFIX = "org.opencontainers.image."
"""Begins the labels of the OCI image specification."""
VERSION, REVISION, SOURCE, LICENCES = (
    f"{PREFIX}{word}" for word in ("version", "revision", "source", "licenses")
)
OF_SOFTWARE = frozenset({VERSION, REVISION, SOURCE, LICENCES})
"""The labels that a lock gives; without a lock, or for a package that the image lacks, there are none."""

Held = Mapping[tuple[str, str], LockedPackage]
"""The packages of an image, by name and architecture."""


def labelled(images: Mapping[str, Image], lock: Lock, sources: str) -> dict[str, Image]:
    """The images with the labels of their main packages (`version-of`). A declared label counts instead.

    `sources` is the address of a source package, see `Site.sources`; empty: unknown.
    """
    if not any(image.config.version_of for image in images.values()):
        return dict(images)
    made = dict(images)
    held: dict[str, Held] = {}
    given: dict[str, frozenset[str]] = {}
    for name in ImageGraph(images).order():
        image = images[name]
        parent = image.parent.name if isinstance(image.parent, ParentImage) else ""
        held[name] = _after(held.get(parent, {}), lock.images[name])
        package = _main(image.config.version_of, held[name])
        own = dict(_labels(package, sources)) if package else {}
        made[name], given[name] = _with(image, own, given.get(parent, frozenset()))
    return made


def _after(held: Held, image: LockedImage) -> Held:
    """The packages of an image, from those of its parent."""
    found = dict(held)
    for step in image.steps:
        if step.asked[0] == "remove":
            found = {key: item for key, item in found.items() if key[0] not in step.asked[1:]}
        found |= {(item.name, item.arch): item for item in step.packages}
    return found


def _main(name: str | None, held: Held) -> LockedPackage | None:
    return next((item for _, item in sorted(held.items()) if item.name == name), None) if name else None


def _labels(package: LockedPackage, sources: str) -> Iterator[tuple[str, str]]:
    yield VERSION, package.version
    name, version = source_version(package.source)
    if version:
        # Revision of the packaged software, not of the recipes: these change without changing the image.
        yield REVISION, version
        if sources:
            yield SOURCE, sources.replace(SOURCE_PACKAGE, name).replace(SOURCE_VERSION, version)
    if licences := spdx(package.licence):
        yield LICENCES, licences


def _with(image: Image, own: Mapping[str, str], inherited: frozenset[str]) -> tuple[Image, frozenset[str]]:
    """The image with its own labels, without inherited ones; and the names that its children inherit."""
    labels = image.config.labels
    added = {name: value for name, value in own.items() if name not in labels}
    passed = frozenset(added)
    gone = inherited - labels.keys() - passed
    written = image.containerfile
    if written is not None:
        # `buildah build` can empty a label, but not remove it. A label of the Containerfile itself counts.
        added |= {name: "" for name in gone if name not in written.text}
        gone = frozenset()
    elif isinstance(image.parent, BaseImage) and image.config.version_of:
        gone = OF_SOFTWARE - labels.keys() - passed
    if not (added or gone):
        return image, passed
    spot = image.spots.get("version_of", image.spot)
    spots = {f"labels.{name}": spot for name in added} | {f"labels.{name}-": spot for name in gone}
    config = replace(image.config, labels={**labels, **added}, removed_labels=tuple(sorted(gone)))
    return replace(image, config=config, spots={**image.spots, **spots}), passed


# ── licences ────────────────────────────────────────────────────────────────────────────────────────────────


_SHORT = {
    "AGPLv3": "AGPL-3.0-only", "AGPLv3+": "AGPL-3.0-or-later", "ASL 1.1": "Apache-1.1",
    "ASL 2.0": "Apache-2.0", "Artistic 2.0": "Artistic-2.0", "Boost": "BSL-1.0", "CC0": "CC0-1.0",
    "GPL+": "GPL-1.0-or-later", "GPLv1": "GPL-1.0-only", "GPLv2": "GPL-2.0-only",
    "GPLv2+": "GPL-2.0-or-later", "GPLv3": "GPL-3.0-only", "GPLv3+": "GPL-3.0-or-later", "HPND": "HPND",
    "ISC": "ISC", "LGPLv2": "LGPL-2.0-only", "LGPLv2+": "LGPL-2.0-or-later", "LGPLv2.1": "LGPL-2.1-only",
    "LGPLv2.1+": "LGPL-2.1-or-later", "LGPLv3": "LGPL-3.0-only", "LGPLv3+": "LGPL-3.0-or-later",
    "MIT": "MIT", "MPLv1.1": "MPL-1.1", "MPLv2.0": "MPL-2.0", "NCSA": "NCSA", "OpenSSL": "OpenSSL",
    "PostgreSQL": "PostgreSQL", "Ruby": "Ruby", "Unlicense": "Unlicense", "Vim": "Vim", "ZPLv2.0": "ZPL-2.0",
    "ZPLv2.1": "ZPL-2.1", "Zlib": "Zlib", "curl": "curl", "zlib": "Zlib",
}  # fmt: skip
"""Fedora's short names, in use until 2022 -> identifier of SPDX; not those of several licences, as BSD."""
_OPERATORS = {"and": "AND", "or": "OR", "AND": "AND", "OR": "OR", "WITH": "WITH", "(": "(", ")": ")"}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[.-][A-Za-z0-9.]+)+\+?")
_WHOLE = re.compile(r"L (?:AND|OR|WITH) L|\( L \)")


def spdx(licence: str) -> str:
    """A licence of an RPM package as an expression of SPDX; empty if it is none, or not certain."""
    words = licence.replace("(", " ( ").replace(")", " ) ").split()
    found: list[str] = []
    form: list[str] = []
    for is_operator, group in groupby(words, key=_OPERATORS.__contains__):
        if is_operator:
            signs = [_OPERATORS[word] for word in group]
            found += signs
            form += signs
        else:
            name = " ".join(group)
            found.append(_SHORT.get(name) or (name if _IDENTIFIER.fullmatch(name) else ""))
            form.append("L")
    text, count = " ".join(form), 1
    while count:
        text, count = _WHOLE.subn("L", text)
    return " ".join(found).replace("( ", "(").replace(" )", ")") if text == "L" and all(found) else ""
