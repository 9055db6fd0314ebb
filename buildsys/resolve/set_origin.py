"""The places that chose the inputs of a set: files, or options of the caller."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from buildsys.diagnostics import NOWHERE, Spot, plan_path
from buildsys.image import Origin, Setting
from buildsys.recipe.document import Written
from buildsys.recipe.library import Library, OverlayFile, Source
from buildsys.recipe.substitution import Holes, holes, names_in

Path = tuple[str | int, ...]


def origin(
    library: Library, site: str | None, values: Mapping[str, Any], spots: Mapping[str, Spot]
) -> Origin:
    """The origin of a set. `site` is the caller's; `values` and `spots` are of its variables."""
    return Origin(
        site="--site" if site else str(library.written.spot("site")),
        overlays={plan_path(item.written.file): _changed(item) for item in library.overlays},
        variables={
            name: Setting(_text(value), "--variable" if spots[name] == NOWHERE else str(spots[name]))
            for name, value in values.items()
            if name in spots
        },
        uses=_uses(library, spots.keys()) if spots else {},
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(map(_text, value)) if isinstance(value, list) else str(value)


def _changed(overlay: OverlayFile) -> Collection[str] | None:
    return None if overlay.common or overlay.sites else frozenset(overlay.patches)


def _uses(library: Library, known: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Places -> names of variables. A parameter of a trait may hold any variable given to some trait."""
    found: dict[str, dict[str, None]] = {}
    given: dict[str, None] = {}
    parameters: list[str] = []
    for written, waiting in _templates(library):
        declared = written.data.get("parameters") or {} if isinstance(written.data, dict) else {}
        for path, text in _texts(written.data, waiting):
            names = names_in([text])
            variables = [name for name in names if name in known]
            if path[0] in {"uses", "parameters"}:
                given |= dict.fromkeys(variables)
            # A comparison may be of the value itself, or of any value that contains it.
            for end in range(1, len(path) + 1):
                spot = str(written.spot(*path[:end]))
                found.setdefault(spot, {}).update(dict.fromkeys(variables))
                if not names.isdisjoint(declared):
                    parameters.append(spot)
    for spot in parameters:
        found[spot] |= given
    return {spot: tuple(names) for spot, names in found.items() if names}


def _templates(library: Library) -> Iterator[tuple[Written, Holes]]:
    sources: list[Source[Any]] = [*library.recipes.values(), *library.traits.values()]
    sources += library.sites.values()
    sources += [library.common] if library.common else []
    for overlay in library.overlays:
        sources += [*overlay.patches.values(), *overlay.sites.values()]
        sources += [overlay.common] if overlay.common else []
    for source in sources:
        if source.written.templated:
            yield source.written, source.holes or holes(source.written.data)


def _texts(data: Any, where: Holes, path: Path = ()) -> Iterable[tuple[Path, str]]:
    if where is None:
        yield path or ("",), data
        return
    for key, deeper in where.items():
        yield from _texts(data[key], deeper, (*path, key))
