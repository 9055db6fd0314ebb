"""What of a set can be built at a site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from buildsys.graph import ImageGraph
from buildsys.image import ImageSet


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
    reasons = {name: item.why.message.rpartition(": ")[2] for name, item in image_set.absent.items()}
    return present(image_set, reasons)
