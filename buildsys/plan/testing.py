"""What is tried of images, as data: `tests/NAME.json` and `scenarios/NAME.json` of a plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from buildsys.diagnostics import Spot
from buildsys.image import ImageSet, ImageTest, Scenario


def testing_files(image_set: ImageSet) -> Iterator[tuple[str, str]]:
    """Path and text of each file; an image of which nothing is demanded has none."""
    nothing = ImageTest()
    for name, item in image_set.images.items():
        if item.test != nothing:
            yield f"tests/{name}.json", _text({"image": name}, item.test)
    for name, scenario in image_set.scenarios.items():
        yield f"scenarios/{name}.json", _text({}, scenario)


def _text(head: Mapping[str, str], what: ImageTest | Scenario) -> str:
    # What was tried once need not be tried again when it only moved to another line.
    bare = hashlib.sha256(json.dumps(_data(what, places=False)).encode()).hexdigest()
    return json.dumps({**head, "hash": bare, **_data(what)}, indent=1) + "\n"


def _data(value: Any, *, places: bool = True) -> Any:
    """Values of these rooms as JSON has them: where something was written stands under `at`."""
    if isinstance(value, Spot):
        return str(value)
    if is_dataclass(value):
        kept = (item.name for item in fields(value) if places or item.name not in _KEYS)
        return {_KEYS.get(name, name): _data(getattr(value, name), places=places) for name in kept}
    if isinstance(value, Mapping):
        return {key: _data(inner, places=places) for key, inner in value.items()}
    return [_data(inner, places=places) for inner in value] if isinstance(value, tuple) else value


_KEYS = {"spot": "at", "spots": "at"}
