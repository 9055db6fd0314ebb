"""Apply settings to every image: in `common:`, and again to images whose own setting would win."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from buildsys.diagnostics import Diagnostic, Spot
from buildsys.importers.kolla.lists import Target
from buildsys.importers.overlay_text import Changes, Overlay, untaken


def give_all(settings: Changes, what: str, target: Target, overlay: Overlay, found: list[Diagnostic]) -> None:
    """Apply settings to every image, over its own; `what` names their source in messages."""
    if not target.images and (spots := list(_given(settings))):
        why, hint = "which of them do is known only with the set", "say which set it is for: --set SET"
        found.append(untaken(min(spots), f"{what}, where images say the same themselves,", why, hint))
    for key, (value, at) in settings.scalars.items():
        if value is not None:
            overlay.common.scalars[key] = value, at
        elif not target.images:
            why, hint = "`common:` takes nothing away", "write healthcheck: ~ for the images that have one"
            found.append(untaken(at, f"{key.upper()} in {what}", why, hint))
        for changes in _saying(key, value, target, overlay):
            changes.scalars[key] = value, at
    for key, items in settings.maps.items():
        for name, (value, at) in items.items():
            overlay.common.merge(key, name, value, at)
            for changes in _saying(f"{key}.{name}", value, target, overlay):
                changes.merge(key, name, value, at)
    for key, things in settings.lists.items():
        overlay.common.lists.setdefault(key, {}).update(things)


def _given(settings: Changes) -> Iterator[Spot]:
    for given in (settings.scalars, *settings.maps.values()):
        yield from (at for value, at in given.values() if value is not None)


def _saying(key: str, value: Any, target: Target, overlay: Overlay) -> Iterator[Changes]:
    """Yield the changes of images that have the setting; a removal covers the set's common ones too."""
    kind, _, name = key.partition(".")
    for image in target.images.values():
        spot = image.spots.get(key.replace("-", "_") if not name else key)
        if spot is not None and (value is None or PurePath(spot.file).name != "set.yaml"):
            yield overlay.image(image.name)
    for changes in overlay.images.values():
        if name in changes.maps.get(kind, {}) if name else key in changes.scalars:
            yield changes
