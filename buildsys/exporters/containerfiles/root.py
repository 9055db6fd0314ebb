"""The files of an image that has one layer, as an archive: what it began with and what was done to it."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from buildsys.inspect_image.image import BuiltImage, unreadable


def write_root(image: BuiltImage, target: Path) -> None:
    """Write the archive, packed; equal layers give equal bytes.

    Raises:
        Refused: the image has more than one layer, so none of them holds all files, or it cannot be read
            (`unreadable-image`).
    """
    if len(image.layers) != 1:
        count = len(image.layers)
        raise unreadable(image.name, f"it has {count} layers, and one that begins with nothing has just one")
    source = image.archive(0)
    with source.open("rb") as layer:
        packed = layer.read(2) == b"\x1f\x8b"
    with (
        (gzip.open if packed else open)(source, "rb") as layer,
        target.open("wb") as file,
        # No time and no name of a file in it: a layer is what it holds.
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as archive,
    ):
        shutil.copyfileobj(layer, archive)
