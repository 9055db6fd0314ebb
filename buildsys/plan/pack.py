"""Pack a `Plan` into an archive to carry: equal plans give equal bytes. No directory is written."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

from buildsys.plan.compile import Plan
from buildsys.plan.read import LAYOUT, MARK


def pack_plan(plan: Plan, folder: str, epoch: int, archive: Path) -> None:
    """Write `archive`, a tar packed by gzip with the plan in `folder`; all files have the time `epoch`."""
    texts = {**plan.texts, MARK: LAYOUT}
    with archive.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, epoch) as packed:  # noqa: SIM117 - one more would not fit
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in sorted({*texts, *plan.links}):
                item = tarfile.TarInfo(f"{folder}/{name}")
                item.mtime = epoch
                item.mode = 0o755 if name.startswith("steps/") else 0o644
                content = os.fsencode(texts[name]) if name in texts else plan.links[name].read_bytes()
                item.size = len(content)
                tar.addfile(item, io.BytesIO(content))
