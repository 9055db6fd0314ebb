"""What a set asks of its repositories, and where in its recipes it asks."""

from __future__ import annotations

from collections.abc import Iterator

from buildsys.diagnostics import Spot
from buildsys.image import (
    BaseImage,
    Bootstrap,
    CopyPayload,
    Download,
    Image,
    ImageSet,
    Install,
    PackageName,
    Uninstall,
    UpdateAll,
)

PackageStep = Bootstrap | Install | UpdateAll | Uninstall


def package_steps(image: Image) -> Iterator[PackageStep]:
    """The instructions that change which packages the image holds; a lock has a transaction for each."""
    for step in image.instructions:
        if isinstance(step, PackageStep):
            yield step


def asked(step: PackageStep) -> tuple[str, ...]:
    """An instruction as a lock records it: what is to be done, and to which packages."""
    match step:
        case Bootstrap(packages=packages) | Install(packages=packages):
            return ("install", *(item.name for item in packages))
        case Uninstall(packages=packages):
            return ("remove", *(item.name for item in packages))
        case UpdateAll():
            return ("update",)


def names(step: PackageStep) -> tuple[PackageName, ...]:
    """The packages an instruction names."""
    return () if isinstance(step, UpdateAll) else step.packages


def payloads(image_set: ImageSet) -> Iterator[tuple[PackageName, Image]]:
    """Packages whose files are copied without installing them, and the images that do."""
    for image in image_set.images.values():
        for step in image.instructions:
            if isinstance(step, CopyPayload):
                yield step.package, image


def downloads(image_set: ImageSet) -> Iterator[tuple[Download, Image]]:
    """Downloads that come from elsewhere, and the images that want them."""
    for image in image_set.images.values():
        for step in image.instructions:
            if isinstance(step, Download) and step.url not in image_set.site.downloads:
                yield step, image


def bases(image_set: ImageSet) -> dict[str, Spot]:
    """References of the images built elsewhere that the set starts from, each with where it is written."""
    found: dict[str, Spot] = {}
    for image in image_set.images.values():
        if isinstance(image.parent, BaseImage):
            found.setdefault(image.parent.reference, image.parent_spot)
        for other in image.containerfile.others if image.containerfile else ():
            found.setdefault(other.reference, other.spot)
    return found


def where(image: Image, package: str) -> Spot:
    """Where an image names a package; else where it asks for packages at all; else the image's own Spot."""
    first: Spot | None = None
    for step in package_steps(image):
        for item in names(step):
            if item.name == package:
                return item.spot
        first = first or step.spot
    return first or image.spot
