"""TripleO: the environment file for a deployment, and the list of images that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest
from buildsys.exporters.request import Export, Subject
from buildsys.exporters.set_data import entries, mapping, require_known, texts
from buildsys.exporters.starting import without_starter
from buildsys.exporters.text import yaml

ENVIRONMENT, LIST = "overcloud_images.yaml", "overcloud_containers.yaml"


@dataclass(frozen=True, slots=True)
class Use:
    """What a deployment does with an image."""

    image: str
    parameters: tuple[str, ...]
    services: tuple[str, ...]
    drivers: tuple[str, ...]
    """Of the network: only with one of these; none: with any."""


def export(subject: Subject) -> Export:
    """Both files, for all services and drivers or for those that are asked for.

    Raises:
        Refused: the set has no data for TripleO, or wrong data; a service or driver that it does not know
            (`export-unknown-service`, `bad-choice`).
    """
    uses = [use for use in _uses(subject) if use.image in subject.names]
    driver = _driver(subject, uses)
    services = set(subject.options.get("services") or ())
    _require_services(services, uses)
    if driver:
        uses = [use for use in uses if not use.drivers or driver in use.drivers]
    if services:
        uses = [use for use in uses if services & set(use.services)]
    comment = f"{subject.set.name}, exported by `buildsys export tripleo`."
    texts = {ENVIRONMENT: _environment(subject, uses, comment), LIST: _list(subject, uses, comment)}
    return Export(texts, notes=tuple(without_starter(subject, (use.image for use in uses), "TripleO")))


def _environment(subject: Subject, uses: list[Use], comment: str) -> str:
    parameters: dict[str, object] = {
        parameter: _destined(subject, subject.pinned(use.image))
        for use in uses
        for parameter in use.parameters
    }
    if insecure := list(subject.options.get("insecure") or ()):
        parameters["DockerInsecureRegistryAddress"] = insecure
    content = {"parameter_defaults": dict(sorted(parameters.items()))}
    return yaml(content, f"{comment}\nGive it to `openstack overcloud deploy` with -e.")


def _list(subject: Subject, uses: list[Use], comment: str) -> str:
    # Each once: the same image serves several services.
    destination = subject.options.get("push_destination")
    more = {"push_destination": destination} if destination else {}
    rows = [{"imagename": subject.pinned(name), **more} for name in dict.fromkeys(use.image for use in uses)]
    return yaml({"container_images": sorted(rows, key=lambda row: row["imagename"])}, comment)


def _destined(subject: Subject, reference: str) -> str:
    """The reference where the images are pushed to before they are deployed."""
    destination = subject.options.get("push_destination")
    return f"{destination}/{reference.partition('/')[2]}" if destination else reference


def _uses(subject: Subject) -> Iterator[Use]:
    data = subject.data
    names = entries(subject, "TripleO")
    require_known(subject, ((name, (name,)) for name in names))
    for name in names:
        unknown = mapping(data, (name,)).keys() - {"parameters", "services", "neutron-drivers"}
        if unknown:
            key = min(unknown)
            hint = "known are parameters, services and neutron-drivers"
            message = f"'{key}' is no key of an image here"
            raise Refused([Diagnostic(data.at(name, key), Code.UNKNOWN_KEY, message, hint)])
        keys = ("parameters", "services", "neutron-drivers")
        yield Use(name, *(texts(data, name, key) for key in keys))


def _driver(subject: Subject, uses: list[Use]) -> str | None:
    known = sorted({driver for use in uses for driver in use.drivers})
    asked: str | None = subject.options.get("neutron_driver")
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
