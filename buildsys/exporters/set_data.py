"""What a set says of a consumer: `exports/FORMAT.yaml`, a map of maps of texts or lists of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest
from buildsys.exporters.request import Data, Subject


def entries(subject: Subject, form: str) -> Mapping[str, Any]:
    """The data as it stands.

    Raises:
        Refused: there is none (`no-export-data`), or it is no map (`wrong-type`).
    """
    if subject.data.content is None:
        message = f"the set {subject.set.name} does not say what {form} takes: it has no {subject.data.file}"
        raise Refused([Diagnostic(NOWHERE, Code.NO_EXPORT_DATA, message)])
    return mapping(subject.data, ())


def mapping(data: Data, path: tuple[str, ...]) -> Mapping[str, Any]:
    """The map at a place.

    Raises:
        Refused: it is none.
    """
    value = data.content
    for key in path:
        value = value[key]
    if not isinstance(value, Mapping):
        raise Refused([Diagnostic(data.at(*path), Code.WRONG_TYPE, "a map is wanted here")])
    return value


def texts(data: Data, *path: str) -> tuple[str, ...]:
    """A list of texts at a place; empty when it is not there.

    Raises:
        Refused: it is something else.
    """
    value = data.content
    for key in path:
        if key not in value:
            return ()
        value = value[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused([Diagnostic(data.at(*path), Code.WRONG_TYPE, "a list of texts is wanted here")])
    return tuple(value)


def require_known(subject: Subject, keys: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    """Make sure that names are images of the set, or of those that its site cannot build.

    Raises:
        Refused: some are not (`unknown-image`).
    """
    found = list(_unknown(subject, keys))
    if found:
        raise Refused(found)


def _unknown(subject: Subject, keys: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[Diagnostic]:
    known = {*subject.set.images, *subject.set.absent}
    for name, path in keys:
        if name not in known:
            message = f"no image is called '{name}'"
            yield Diagnostic(subject.data.at(*path), Code.UNKNOWN_IMAGE, message, closest(name, known))
