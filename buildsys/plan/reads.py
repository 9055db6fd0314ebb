"""What the build of a Containerfile calls the images that it reads: names that none of its stages can have.

To buildah an image that it is given by name counts for more than a stage of that name; to who wrote
`FROM base AS base` it is the stage from there on.
"""

from __future__ import annotations

from collections.abc import Iterator

from buildsys.image import Containerfile
from buildsys.image.build_file import renamed

HERE = "here/documents"
"""What the builder calls the folder of here-documents; no stage can be called so."""
_BEGINS = "ARG HOSTNAME=localhost"


def names(step: Containerfile) -> Iterator[tuple[str, str]]:
    """Each name, and the image of the set or the reference that it means."""
    for named in step.images:
        yield called(named.written), named.image
    for other in step.others:
        yield called(other.written), other.reference


def acting_text(step: Containerfile) -> str:
    """The text that is built by: with these names, in plain words, and with a variable for each stage.

    buildah has no option for the name that RUN finds in its environment. And to it a stage that is only FROM
    is an image, not a stage: 1.28 does not find it for COPY --from, 1.39 loses the layers of its base. ARG
    leaves no trace in an image.
    """
    said = [(item.written, item.places) for item in step.images]
    said += [(item.written, item.places) for item in step.others]
    text = step.plain or renamed(step.text, ((name, places, called(name)) for name, places in said))
    lines = text.split("\n")
    words = [word for word, _ in step.lines]
    for word, spot in reversed([*zip(words, step.spots[1:], strict=False)]):
        if word == "FROM":
            lines.insert(spot.line - 1, _BEGINS)
    return "\n".join(lines)


def called(name: str) -> str:
    """What buildah calls something that is read by this name."""
    return f"read/{name}"
