"""The plan as it is published with its images: an archive without the pool, equal bytes for equal plans."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from buildsys.plan import read

TYPE = "application/vnd.buildsys.plan.v1.tar+gzip"
"""Media type of the archive, and the type of the artifact."""
FILES = (read.MARK, "Makefile", "graph", "images.mk", "notes", "plan.env", "plan.json", "spots", "unsigned")
"""Files of a plan outside of its folders."""


def archived(directory: Path) -> bytes:
    """The plan in a tar archive, packed by gzip: no pool, no records of runs, no times, no owners."""
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 6, packed, 0) as raw, tarfile.open(fileobj=raw, mode="w|") as tar:
        for path in _paths(directory):
            item = tarfile.TarInfo(f"plan/{path.relative_to(directory)}")
            content = path.read_bytes()
            item.size = len(content)
            item.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            tar.addfile(item, io.BytesIO(content))
    return packed.getvalue()


def _paths(directory: Path) -> Iterator[Path]:
    yield from (directory / name for name in FILES if (directory / name).is_file())
    for folder in read.OURS:
        if folder != "pool":
            yield from sorted(path for path in (directory / folder).rglob("*") if path.is_file())
