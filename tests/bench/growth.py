"""What one more image costs in a large store: buildah and skopeo read all records of a store at each call."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.measure import store, take

SIZES = (60, 1000)
"""Images in the store before the plan runs."""


def measure(plan: Path, put_base: Callable[[dict[str, str]], None]) -> list[str]:
    """Build the plan at one job in stores of these sizes; a section of the report."""
    costs = {size: _cost(plan, put_base, size) for size in SIZES}
    small, large = costs[SIZES[0]], costs[SIZES[-1]]
    return [
        "## Growth with the store",
        "",
        "A trivial `run` on busybox, one job, in a store that has other images already.",
        "",
        "| images in the store | ms of processor time an image |",
        "|---|---|",
        *(f"| {size:,} | {cost * 1000:.0f} |" for size, cost in costs.items()),
        "",
        f"Ratio: **{large / small:.2f}**. Asked: at most 1.15. See docs/explanation/growth.md.",
        "",
    ]


def _cost(plan: Path, put_base: Callable[[dict[str, str]], None], size: int) -> float:
    """Seconds of processor time for an image, of all but the first, which pays for what is asked once."""
    for left in ("state", "results", "logs"):
        shutil.rmtree(plan / left, ignore_errors=True)
    make = ["make", "--no-print-directory", "-j1", "-C", str(plan)]
    with store() as environment:
        put_base(environment)
        fill(Path(environment["BS_STORE"].split()[1]), size)
        take([*make, "i0"], environment=environment)
        images = len((plan / "graph").read_text().splitlines()) - 1
        return take(make, environment=environment).processor / images


def fill(root: Path, count: int) -> None:
    """Give the only image of a store `count` twins: records of as many images and layers, over no files.

    That is enough for whoever reads and writes all records, and takes no hours to make.
    """
    images, layers = (next(root.glob(f"*-{kind}/{kind}.json")) for kind in ("images", "layers"))
    (image,), (layer,) = (json.loads(path.read_text()) for path in (images, layers))
    twins = [_twins(image, layer, number) for number in range(count)]
    for twin, _ in twins:
        shutil.copytree(images.parent / image["id"], images.parent / twin["id"])
    _write(images, [image, *(twin for twin, _ in twins)])
    _write(layers, [layer, *(twin for _, twin in twins)])


def _twins(
    image: dict[str, Any], layer: dict[str, Any], number: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    names = [f"localhost/others/{number}:1", f"localhost/others/key/{number}:{os.urandom(32).hex()}"]
    top = {**layer, "id": os.urandom(32).hex()}
    return {**image, "id": os.urandom(32).hex(), "names": names, "layer": top["id"]}, top


def _write(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(records, separators=(",", ":")))
