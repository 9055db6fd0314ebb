"""Data of a set for a format: `exports/FORMAT.yaml`, a map of maps of texts or lists of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest
from buildsys.exporters.request import Data, Request


def entries(request: Request, form: str) -> Mapping[str, Any]:
    """The data.

    Raises:
        Refused: there is none (`no-export-data`), or it is not a map (`wrong-type`).
    """
    if request.data.content is None:
        message = f"the set {request.set.name} has no data for {form}: {request.data.file} does not exist"
        raise Refused([Diagnostic(NOWHERE, Code.NO_EXPORT_DATA, message)])
    return mapping(request.data, ())


def mapping(data: Data, path: tuple[str, ...]) -> Mapping[str, Any]:
    """The map at a path of keys.

    Raises:
        Refused: the value is not a map.
    """
    value = data.content
    for key in path:
        value = value[key]
    if not isinstance(value, Mapping):
        raise Refused([Diagnostic(data.at(*path), Code.WRONG_TYPE, "this must be a map")])
    return value


def texts(data: Data, *path: str) -> tuple[str, ...]:
    """The list of texts at a path of keys; empty if there is none.

    Raises:
        Refused: the value is not a list of texts.
    """
    value = data.content
    for key in path:
        if key not in value:
            return ()
        value = value[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused([Diagnostic(data.at(*path), Code.WRONG_TYPE, "this must be a list of texts")])
    return tuple(value)


def require_known(request: Request, keys: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    """Check that names are images of the set, including those that its site cannot build.

    `keys`: (name, path of keys that leads to it).

    Raises:
        Refused: some are unknown (`unknown-image`).
    """
    found = list(_unknown(request, keys))
    if found:
        raise Refused(found)


def _unknown(request: Request, keys: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[Diagnostic]:
    known = {*request.set.images, *request.set.absent}
    for name, path in keys:
        if name not in known:
            message = f"no image is called '{name}'"
            yield Diagnostic(request.data.at(*path), Code.UNKNOWN_IMAGE, message, closest(name, known))
