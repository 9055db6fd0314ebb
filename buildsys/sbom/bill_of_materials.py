"""The SBOM of an image as bytes: a function of the plan's directory, the image and its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from buildsys.plan.inventory import Inventories
from buildsys.sbom import cyclonedx, spdx

Form = Literal["spdx", "cyclonedx"]
"""SPDX 2.3 or CycloneDX 1.6, both as JSON."""
FORMS: tuple[Form, ...] = get_args(Form)
MEDIA_TYPES: Mapping[Form, str] = {
    "spdx": "application/spdx+json",
    "cyclonedx": "application/vnd.cyclonedx+json",
}
PREDICATES: Mapping[Form, str] = {
    "spdx": "https://spdx.dev/Document/v2.3",
    "cyclonedx": "https://cyclonedx.org/bom",
}
"""Predicate types of in-toto attestations."""
SUFFIXES: Mapping[Form, str] = {"spdx": ".spdx.json", "cyclonedx": ".cdx.json"}


def document(directory: Path, image: str, form: Form, identity: str = "") -> bytes:
    """The SBOM of one image of the plan in `directory`.

    `identity` is the image's id, 64 hexadecimal digits; empty: it is not built, or the id does not matter.

    Raises:
        FileNotFoundError: the directory holds no plan.
        KeyError: the plan has no such image.
        ValueError: the plan is damaged.
    """
    ((_, content),) = documents(directory, [image], form, {image: identity})
    return content


def documents(
    directory: Path, images: Sequence[str], form: Form, identities: Mapping[str, str]
) -> Iterator[tuple[str, bytes]]:
    """The SBOM of each image, by its name: as `document`, and faster for many images."""
    inventories = Inventories(directory)
    writer = (spdx.Writer if form == "spdx" else cyclonedx.Writer)(inventories.epoch, inventories.version)
    for image in images:
        yield image, writer.write(inventories.of(image), identities.get(image, ""))
