"""The files of an image with one layer, as an archive."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from buildsys.inspect_image.stored_image import BuiltImage, unreadable


def write_root(image: BuiltImage, target: Path) -> None:
    """Write the archive, compressed by gzip; equal layers give equal bytes.

    Raises:
        Refused: the image has more than one layer, so that none has all files, or it cannot be read
            (`unreadable-image`).
    """
    if len(image.layers) != 1:
        count = len(image.layers)
        raise unreadable(image.name, f"it has {count} layers instead of one")
    source = image.archive(0)
    with source.open("rb") as layer:
        packed = layer.read(2) == b"\x1f\x8b"
    with (
        (gzip.open if packed else open)(source, "rb") as layer,
        target.open("wb") as file,
        # Without the time and the file name in the header of gzip.
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as archive,
    ):
        shutil.copyfileobj(layer, archive)
