"""Sets to report on: results, times, sizes and packages as a store and a run would leave them, made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from buildsys.image import ImageSet
from buildsys.pipeline import Pipeline
from buildsys.report.facts import Package, SetFacts, collect
from buildsys.storage import Stored

BEGAN = 1796069480.0
"""2026-11-30 20:11:20 UTC."""


def planned(directory: Path, plan: Path) -> ImageSet:
    """A set, its plan written; nothing is built."""
    pipeline = Pipeline(directory, build_directory=plan.parent)
    compiled = pipeline.compile()
    pipeline.write(compiled, plan)
    return compiled.image_set


def ran(plan: Path, images: Mapping[str, Mapping[str, object]]) -> None:
    """Leave the results and the events of a run that ended these images one after the other.

    A value replaces one of the result; `begin` says when the image was begun. What did not fail is current.
    """
    (plan / "results").mkdir(exist_ok=True)
    (plan / "logs").mkdir(exist_ok=True)
    now = BEGAN
    lines = [
        json.dumps(
            {"time": BEGAN, "event": "run", "version": 2, "run": "1", "set": "made up", "goals": "all"}
        ),
        json.dumps({"time": BEGAN, "event": "planned", "images": [*images], "fresh": [], "jobs": 2}),
    ]
    for name, values in images.items():
        result = {
            "image": name, "status": "built", "image_id": identity(name), "reference": f"localhost/{name}",
            "key": "0" * 64, "reason": "never built here", "seconds": 1.5, "at": "", **values,
        }  # fmt: skip
        begin = float(str(result.pop("begin", now)))
        lines.append(json.dumps({"time": round(begin, 6), "event": "started", "image": name}))
        now = begin + float(str(result["seconds"]))
        (plan / "results" / f"{name}.json").write_text(json.dumps(result) + "\n")
        lines.append(json.dumps({"time": round(now, 6), "event": result.pop("status"), **result}))
        (plan / "state").mkdir(exist_ok=True)
        (plan / f"state/{name}.seconds").write_text(f"{result['seconds']}\n")
    lines.append(json.dumps({"time": now, "event": "ended", "status": 0}))
    current = [f"echo {name} {identity(name)}" for name, values in images.items() if "status" not in values]
    (plan / "lib/current.sh").write_text("\n".join(current) + "\n")
    (plan / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))


def identity(name: str) -> str:
    """An id for the image of this name."""
    return (name.encode().hex() * 64)[:64]


def stored(image_set: ImageSet, size: int = 10_000_000) -> dict[str, Stored]:
    """A store in which each image adds a layer of its own to those of its parent, each as large."""
    found: dict[str, Stored] = {}
    for name in image_set.images:
        line = [name]
        while parents := list(image_set.images[line[0]].dependencies()):
            line.insert(0, parents[0])
        layers = tuple(f"sha256:{identity(each)}" for each in line)
        found[identity(name)] = Stored(size * len(layers), layers)
    return found


def with_packages(facts: SetFacts, each: int) -> SetFacts:
    """The same, each image with that many packages of its own; the set has five times as many as images."""
    names = 5 * len(facts.images)
    images = {
        name: replace(
            item,
            packages=tuple(
                Package(f"package-{(number * each + one) % names}", "1:2.3.4-5.el7", "x86_64", 123_456)
                for one in range(each)
            ),
        )
        for number, (name, item) in enumerate(facts.images.items())
    }
    return replace(facts, images=images, locked=True)


def generated(place: Path, count: int) -> SetFacts:
    """Facts about a generated set of so many images, all of them built."""
    from tests.bench import sets

    plan = place / "build" / "plan"
    image_set = planned(sets.generated(place / "set", count), plan)
    ran(plan, {name: {"begin": BEGAN + number / 2} for number, name in enumerate(image_set.images)})
    return with_packages(collect(image_set, plan, None, stored(image_set)), 6)
