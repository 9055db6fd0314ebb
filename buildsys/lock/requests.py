"""What a set asks of its repositories, and where in its recipes it asks."""

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


# ── what can be built at a site ─────────────────────────────────────────────────────────────────────────────


def absent_with_dependents(image_set: ImageSet, absent: Mapping[str, str]) -> dict[str, str]:
    """Images that cannot be built, and all that need them, each with the reason."""
    found = dict(absent)
    for name in ImageGraph(image_set.images).order():
        needs = next((need for need in image_set.images[name].dependencies() if need in found), None)
        if needs is not None:
            found.setdefault(name, f"it needs {needs}")
    return found


def present(image_set: ImageSet, absent: Mapping[str, str]) -> ImageSet:
    """The set without images that cannot be built; the summary of a run says which and why."""
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
    """The set without what its site is known not to give, before any repository is asked."""
    return present(image_set, {name: item.reason for name, item in image_set.absent.items()})
