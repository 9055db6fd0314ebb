"""Files that the user passes to an export: digests of published images, an earlier list of images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Code, Diagnostic, Refused, Spot, closest
from buildsys.image import ImageSet

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def read_digests(path: Path, image_set: ImageSet) -> dict[str, str]:
    """Digests by image, read from `{"NAME": "sha256:…"}` or from an `images.json`.

    Raises:
        Refused: the file has another format, or names an unknown image (`export-bad-file`).
    """
    content = _read(path)
    if not isinstance(content, dict):
        raise _refused(path, "this must be a map from images to digests")
    entries = _images(path, content) if "images" in content else content
    known = {*image_set.images, *image_set.absent}
    found = {}
    for name, value in entries.items():
        digest = value.get("digest") if isinstance(value, Mapping) else value
        if digest is None:
            continue
        if name not in known:
            raise _refused(path, f"no image of {image_set.name} is called '{name}'", closest(name, known))
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise _refused(
                path, f"the value of {name} is not a digest", "a digest is sha256: and 64 digits 0-9, a-f"
            )
        found[name] = digest
    return found


def read_images(path: Path) -> dict[str, Mapping[str, Any]]:
    """The entries of an `images.json`, by image; see `images.described`.

    Raises:
        Refused: the file has another format (`export-bad-file`).
    """
    content = _read(path)
    if not isinstance(content, dict) or "images" not in content:
        raise _refused(path, "this is not an images.json", "`buildsys export images` writes one")
    found = _images(path, content)
    for name, row in found.items():
        packages = row.get("packages") or []
        if not isinstance(packages, list) or not all(map(_is_package, packages)):
            message = f"the packages of {name} are not a list of maps with name, evr and arch"
            raise _refused(path, message, "`buildsys export images` writes one")
    return found


def _is_package(item: Any) -> bool:
    return isinstance(item, dict) and all(isinstance(item.get(key), str) for key in ("name", "evr", "arch"))


def _images(path: Path, content: dict[str, Any]) -> dict[str, Mapping[str, Any]]:
    rows = content["images"]
    if isinstance(rows, list):
        rows = {row.get("image"): row for row in rows if isinstance(row, dict)}
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise _refused(path, "its images are not a list of maps")
    return {str(name): row for name, row in rows.items()}


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from error
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise Refused(
            [Diagnostic(Spot(str(path), line), Code.EXPORT_BAD_FILE, f"not JSON: {error}")]
        ) from error


def _refused(path: Path, message: str, hint: str = "") -> Refused:
    return Refused([Diagnostic(Spot(str(path)), Code.EXPORT_BAD_FILE, message, hint)])
