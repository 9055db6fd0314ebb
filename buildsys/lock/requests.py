"""The requests of a set to repositories, with their Spots, and the images that a site can build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from buildsys.diagnostics import Spot
from buildsys.graph import ImageGraph
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
    """The instructions that change the packages of an image; a lock has a transaction for each."""
    for step in image.instructions:
        if isinstance(step, PackageStep):
            yield step


def asked(step: PackageStep) -> tuple[str, ...]:
    """An instruction in a lock: `install`, `remove` or `update`, then names of packages."""
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
    """Packages whose files are copied without installing them, each with the image."""
    for image in image_set.images.values():
        for step in image.instructions:
            if isinstance(step, CopyPayload):
                yield step.package, image


def downloads(image_set: ImageSet) -> Iterator[tuple[Download, Image]]:
    """Downloads that are not files of the site, each with the image."""
    for image in image_set.images.values():
        for step in image.instructions:
            if isinstance(step, Download) and step.url not in image_set.site.downloads:
                yield step, image


def bases(image_set: ImageSet) -> dict[str, Spot]:
    """References of images built elsewhere that the set starts from -> their Spots."""
    found: dict[str, Spot] = {}
    for image in image_set.images.values():
        if isinstance(image.parent, BaseImage):
            found.setdefault(image.parent.reference, image.parent_spot)
        for other in image.containerfile.others if image.containerfile else ():
            found.setdefault(other.reference, other.spot)
    return found


def where(image: Image, package: str) -> Spot:
    """The Spot of a package's name in an image; else of its first packages; else of the image."""
    first: Spot | None = None
    for step in package_steps(image):
        for item in names(step):
            if item.name == package:
                return item.spot
        first = first or step.spot
    return first or image.spot


# ── what can be built at a site ─────────────────────────────────────────────────────────────────────────────


def absent_with_dependents(image_set: ImageSet, absent: Mapping[str, str]) -> dict[str, str]:
    """Images that cannot be built, and all images that need them -> the reason."""
    found = dict(absent)
    for name in ImageGraph(image_set.images).order():
        needs = next((need for need in image_set.images[name].dependencies() if need in found), None)
        if needs is not None:
            found.setdefault(name, f"it needs {needs}")
    return found


def present(image_set: ImageSet, absent: Mapping[str, str]) -> ImageSet:
    """The set without images that cannot be built; a note for the summary names them."""
    gone = {name: reason for name, reason in absent.items() if name in image_set.images}
    if not gone:
        return image_set
    why = "; ".join(f"{name} ({reason})" for name, reason in sorted(gone.items()))
    note = f"not built, for the site {image_set.site.name} cannot give it: {why}"
    scenarios = {
        name: scenario
        for name, scenario in image_set.scenarios.items()
        if not any(container.image in gone for container in scenario.containers)
    }
    if left_out := sorted(image_set.scenarios.keys() - scenarios.keys()):
        note += f"; without it there is no scenario {', '.join(left_out)}"
    return replace(
        image_set,
        images={name: image for name, image in image_set.images.items() if name not in gone},
        profiles={
            profile: tuple(name for name in names if name not in gone)
            for profile, names in image_set.profiles.items()
        },
        scenarios=scenarios,
        site=replace(image_set.site, notes=(*image_set.site.notes, note)),
    )


def buildable(image_set: ImageSet) -> ImageSet:
    """The set without images that its site is known not to build, before any repository is asked."""
    return present(image_set, {name: item.reason for name, item in image_set.absent.items()})
