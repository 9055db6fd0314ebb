"""Images made from what was built elsewhere, where the site cannot install packages into that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildsys.diagnostics import Code, Diagnostic
from buildsys.image import BaseImage, Image, Install, ParentImage, Uninstall, UpdateAll
from buildsys.packages import PackageManager


def foreign(images: Mapping[str, Image], manager: PackageManager) -> Iterator[Diagnostic]:
    """A mistake for each image that installs into one built elsewhere, where the manager cannot do that.

    The lock is made without looking into such an image: apt simulates, from a list of what is installed.
    """
    for item in () if manager.into_base_images else images.values():
        origin = _origin(item, images)
        changing = next((step for step in item.instructions if isinstance(step, _CHANGING)), None)
        if isinstance(origin.parent, BaseImage) and changing is not None:
            message = "packages cannot be installed into an image built elsewhere"
            message = f"with {manager.name}, {message}: '{item.name}'"
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
