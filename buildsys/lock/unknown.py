"""Images of which nobody knows what they hold before they are built: no lock can be made on top of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildsys.diagnostics import Code, Diagnostic
from buildsys.image import Image, ImageSet, ParentImage
from buildsys.lock.requests import package_steps


def unknown(image_set: ImageSet) -> Iterator[Diagnostic]:
    """A mistake for each image that changes packages of what a Containerfile has built (`not-lockable`)."""
    for image in image_set.images.values():
        first = next(package_steps(image), None)
        if first is None or (built := _built(image, image_set.images)) is None:
            continue
        message = (
            f"'{image.name}' cannot be locked: '{built.name}' is built by a Containerfile, "
            "and what it holds is known only then"
        )
        hint = "install the packages in that Containerfile, or build --unlocked"
        yield Diagnostic(first.spot, Code.NOT_LOCKABLE, message, hint, ((built.spot, f"'{built.name}'"),))


def _built(image: Image, images: Mapping[str, Image]) -> Image | None:
    """What an image is made from, directly or not, that a Containerfile builds."""
    while isinstance(image.parent, ParentImage):
        image = images[image.parent.name]
        if image.containerfile is not None:
            return image
    return None
