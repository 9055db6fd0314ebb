"""Images made from what was built elsewhere, where the site cannot install packages into that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildsys.diagnostics import Code, Diagnostic
from buildsys.image import BaseImage, Image, Install, ParentImage, Uninstall, UpdateAll


def foreign(images: Mapping[str, Image]) -> Iterator[Diagnostic]:
    """A mistake for each image whose packages apt would have to solve against an image built elsewhere.

    What such an image holds is not known when the lock is made: apt asks no image, it simulates.
    """
    for item in images.values():
        origin = _origin(item, images)
        changing = next((step for step in item.instructions if isinstance(step, _CHANGING)), None)
        if isinstance(origin.parent, BaseImage) and changing is not None:
            message = f"with apt, packages cannot be installed into an image built elsewhere: '{item.name}'"
            hint = "begin with an image of the set, or leave the packages out"
            related = ((origin.parent_spot, f"made from {origin.parent.reference}"),)
            yield Diagnostic(changing.spot, Code.SITE_MISMATCH, message, hint, related)


_CHANGING = Install | Uninstall | UpdateAll


def _origin(item: Image, images: Mapping[str, Image]) -> Image:
    """The image of the set that another one begins with, by way of its parents."""
    met = set()
    while isinstance(item.parent, ParentImage) and item.name not in met and item.parent.name in images:
        met.add(item.name)
        item = images[item.parent.name]
    return item
