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
    """The text that is built by: with these names, and with an instruction in each stage that has none.

    A stage that is only FROM is an image to buildah, not a stage: 1.28 does not find it for COPY --from, 1.39
    stores it and then loses the layers of its base. ARG leaves no trace in an image.
    """
    said = [(item.written, item.places) for item in step.images]
    said += [(item.written, item.places) for item in step.others]
    text = renamed(step.text, ((name, places, _called(name)) for name, places in said))
    lines = text.split("\n")
    words = [word for word, _ in step.lines]
    for word, after, spot in reversed([*zip(words, words[1:], step.spots[1:], strict=False)]):
        if word == after == "FROM":
            lines.insert(spot.line - 1, "ARG STAGE")
    return "\n".join(lines)


def _called(name: str) -> str:
    return f"read/{name}"
