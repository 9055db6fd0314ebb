"""TripleO: the environment file of a deployment, and the list of its images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest
from buildsys.exporters.request import Export, Request
from buildsys.exporters.set_data import entries, mapping, require_known, texts
from buildsys.exporters.starting import without_starter
from buildsys.exporters.text import yaml

ENVIRONMENT, LIST = "overcloud_images.yaml", "overcloud_containers.yaml"


@dataclass(frozen=True, slots=True)
class Use:
    """The use of an image in a deployment."""

    image: str
    parameters: tuple[str, ...]
    """Heat parameters that hold its reference."""
    services: tuple[str, ...]
    """Composable services that run it."""
    drivers: tuple[str, ...]
    """Network drivers that need it; empty: all."""


def export(request: Request) -> Export:
    """Both files, for all services and drivers or for the requested ones.

    Raises:
        Refused: the set has no data for TripleO, or wrong data; or a service or a driver is unknown
            (`export-unknown-service`, `bad-choice`).
    """
    uses = [use for use in _uses(request) if use.image in request.names]
    driver = _driver(request, uses)
    services = set(request.options.get("services") or ())
    _require_services(services, uses)
    if driver:
        uses = [use for use in uses if not use.drivers or driver in use.drivers]
    if services:
        uses = [use for use in uses if services & set(use.services)]
    comment = f"{request.set.name}, exported by `buildsys export tripleo`."
    texts = {ENVIRONMENT: _environment(request, uses, comment), LIST: _list(request, uses, comment)}
    return Export(texts, notes=tuple(without_starter(request, (use.image for use in uses), "TripleO")))


def _environment(request: Request, uses: list[Use], comment: str) -> str:
    parameters: dict[str, object] = {
        parameter: _destined(request, request.pinned(use.image))
        for use in uses
        for parameter in use.parameters
    }
    if insecure := list(request.options.get("insecure") or ()):
        parameters["DockerInsecureRegistryAddress"] = insecure
    content = {"parameter_defaults": dict(sorted(parameters.items()))}
    return yaml(content, f"{comment}\nGive it to `openstack overcloud deploy` with -e.")


def _list(request: Request, uses: list[Use], comment: str) -> str:
    # Several services may share an image.
    destination = request.options.get("push_destination")
    more = {"push_destination": destination} if destination else {}
    rows = [{"imagename": request.pinned(name), **more} for name in dict.fromkeys(use.image for use in uses)]
    return yaml({"container_images": sorted(rows, key=lambda row: row["imagename"])}, comment)


def _destined(request: Request, reference: str) -> str:
    """The reference in the registry from which the images are deployed."""
    destination = request.options.get("push_destination")
    return f"{destination}/{reference.partition('/')[2]}" if destination else reference


def _uses(request: Request) -> Iterator[Use]:
    data = request.data
    names = entries(request, "TripleO")
    require_known(request, ((name, (name,)) for name in names))
    for name in names:
        unknown = mapping(data, (name,)).keys() - {"parameters", "services", "neutron-drivers"}
        if unknown:
            key = min(unknown)
            hint = "known are parameters, services and neutron-drivers"
            message = f"unknown key '{key}'"
            raise Refused([Diagnostic(data.at(name, key), Code.UNKNOWN_KEY, message, hint)])
        keys = ("parameters", "services", "neutron-drivers")
        yield Use(name, *(texts(data, name, key) for key in keys))


def _driver(request: Request, uses: list[Use]) -> str | None:
    known = sorted({driver for use in uses for driver in use.drivers})
    asked: str | None = request.options.get("neutron_driver")
    if asked is not None and known and asked not in known:
        message = f"no image is for the network driver '{asked}'"
        raise Refused([Diagnostic(NOWHERE, Code.BAD_CHOICE, message, f"choose one of {', '.join(known)}")])
    return asked


def _require_services(services: set[str], uses: list[Use]) -> None:
    known = {service for use in uses for service in use.services}
    found = [
        Diagnostic(
            NOWHERE,
            Code.EXPORT_UNKNOWN_SERVICE,
            f"no image is for the service '{name}'",
            closest(name, known),
        )
        for name in sorted(services - known)
    ]
    if found:
        raise Refused(found)
