"""`buildsys build --on ENGINE`: the run of a plan whose steps run on other machines."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildsys.cli.output import say
from buildsys.diagnostics import Code, counted

if TYPE_CHECKING:
    from buildsys.image import ImageSet
    from buildsys.run.make import RunOptions

LAUNCHED = 2
"""Steps that make launches for each slot, so that an engine has the next ones to choose from."""
FEWEST, MOST = 16, 1000
"""Bounds of the steps that make launches."""


def run_on(
    engine: str,
    directory: Path,
    goals: Sequence[str],
    how: RunOptions,
    image_set: ImageSet,
    *,
    draw: Callable[[Path, Sequence[str], RunOptions], int | None] | None,
) -> int:
    """Run a written plan on the slots of an engine; returns its exit status.

    `draw` runs it and draws it on a terminal; it returns None where there is none.

    Raises:
        Refused: the engine cannot be used, or there is no work registry.
    """
    from buildsys import storage
    from buildsys.engines import engine_of
    from buildsys.engines.broker import serving
    from buildsys.engines.engine import refused
    from buildsys.engines.placement import Placement
    from buildsys.graph import ImageGraph
    from buildsys.plan import read
    from buildsys.run import make

    if not os.environ.get("BS_REGISTRY"):
        raise refused(
            Code.NO_WORK_REGISTRY,
            "steps on other machines exchange images through a work registry, and none is named",
            "set BS_REGISTRY=HOST[:PORT][/PREFIX]",
        )
    store = storage.store(how.store)
    chosen = engine_of(engine, store.driver if store else "", os.environ)
    needs = {name: image.needs for name, image in read.planned(directory).images.items()}
    past = [*read.spans(directory, earlier=True), *read.spans(directory)]
    seconds = {span.image: span.end - span.begin for span in past if not span.failed}
    placement = Placement(directory, needs, ImageGraph(image_set.images).remaining(seconds))
    with serving(chosen, placement) as (command, workers):
        slots = sum(one.count for one in workers)
        names = _listed([one.worker for one in workers])
        say(f"{counted(len(workers), 'worker')}, {counted(slots, 'slot')}: {names}")
        jobs = how.jobs or min(max(FEWEST, slots * LAUNCHED), MOST)
        there = replace(how, on=command, jobs=jobs)
        status = draw(directory, goals, there) if draw else None
        return make.wait(directory, there, goals) if status is None else status


def _listed(names: Sequence[str], most: int = 8) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
