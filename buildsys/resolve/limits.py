"""The limits of a site: images that it cannot build, and packages that apt cannot install there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.graph import ImageGraph
from buildsys.image import (
    Absent,
    BaseImage,
    Bootstrap,
    CopyPayload,
    Image,
    Install,
    InstallGems,
    PackageName,
    ParentImage,
    Uninstall,
    UpdateAll,
)
from buildsys.packages import PackageManager
from buildsys.resolve.site_sources import Chosen

Reason = tuple[Spot, str, str, tuple[Spot, str]]
"""The place of the request, the missing thing, a hint, and the place in the site with a few words."""


def absent(images: Mapping[str, Image], chosen: Chosen, *, gems: bool) -> dict[str, Absent]:
    """Images that the site cannot build, and their descendants, each with the reason.

    `gems`: whether the site promises some, be they made already or not.
    """
    reasons = {
        name: found for name, item in images.items() if (found := [*_reasons(item, chosen, gems=gems)])
    }
    if not reasons:
        return {}
    origins: dict[str, str] = {}
    graph = ImageGraph(images)
    for name in graph.order():
        origin = next((origins[need] for need in graph.parents_of(name) if need in origins), None)
        if name in reasons or origin is not None:
            origins[name] = name if name in reasons else origin or name
    lacks = {
        name: f"it has {' and '.join(dict.fromkeys(what for _, what, _, _ in found))}"
        for name, found in reasons.items()
    }
    why = {
        name: _diagnostic(chosen.site.name, name, found, lacks[name], sorted(_made_from(name, origins)))
        for name, found in reasons.items()
    }
    return {
        name: Absent(why[origin], lacks[origin], images[name].profiles)
        for name, origin in sorted(origins.items())
    }


def _made_from(name: str, origins: Mapping[str, str]) -> Iterator[str]:
    return (other for other, origin in origins.items() if origin == name and other != name)


def _diagnostic(site: str, name: str, reasons: list[Reason], lacks: str, others: list[str]) -> Diagnostic:
    spot, _, hint, _ = reasons[0]
    besides = f", nor what is made from it ({', '.join(others)})" if others else ""
    message = f"the site '{site}' cannot build '{name}'{besides}: {lacks}"
    related = tuple(dict.fromkeys(item for _, _, _, item in reasons))
    return Diagnostic(spot, Code.NOT_AT_THIS_SITE, message, hint, related)


def _reasons(item: Image, chosen: Chosen, *, gems: bool) -> Iterator[Reason]:
    site = chosen.site.name
    for package in _packages(item) if chosen.missing else ():
        lack = chosen.missing.get(package.name)
        if lack is not None:
            hint = f"an overlay can add it: sites: {{{site}: {{repositories: {{{lack.repository}: …}}}}}}"
            where = (lack.spot, f"the repository '{lack.repository}' is left out: {lack.because}")
            yield package.spot, f"no package {package.name}", hint, where
    for step in () if gems else item.instructions:
        if isinstance(step, InstallGems):
            hint = f"an overlay can name a folder of gem files: sites: {{{site}: {{gems: FOLDER}}}}"
            yield step.spot, "no gems", hint, (chosen.site_spot, "there is no gems: in this file")


def _packages(item: Image) -> Iterator[PackageName]:
    for step in item.instructions:
        if isinstance(step, Bootstrap | Install):
            yield from step.packages
        elif isinstance(step, CopyPayload):
            yield step.package


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
    """The first of the chain of parents of an image."""
    met = set()
    while isinstance(item.parent, ParentImage) and item.name not in met and item.parent.name in images:
        met.add(item.name)
        item = images[item.parent.name]
    return item
