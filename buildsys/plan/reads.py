"""What the build of a Containerfile calls the images that it reads: names that none of its stages can have.

To buildah an image that it is given by name counts for more than a stage of that name; to who wrote
`FROM base AS base` it is the stage from there on.
"""

from __future__ import annotations

from collections.abc import Iterator

from buildsys.image import Containerfile
from buildsys.image.renaming import renamed


def names(step: Containerfile) -> Iterator[tuple[str, str]]:
    """Each name, and the image of the set or the reference that it means."""
    for named in step.images:
        yield _called(named.written), named.image
    for other in step.others:
        yield _called(other.written), other.reference


def acting_text(step: Containerfile) -> str:
    """The text that is built by: with these names."""
    said = [(item.written, item.places) for item in step.images]
    said += [(item.written, item.places) for item in step.others]
    return renamed(step.text, ((name, places, _called(name)) for name, places in said))


def _called(name: str) -> str:
    return f"read/{name}"
