"""A set of its own for a test, and its plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.sites.ground import Ground, Outcome
from tests.sites.sets import write_set


@dataclass(frozen=True)
class Quarry:
    """A set below a folder, and its plan beside it."""

    ground: Ground
    set: Path

    @property
    def plan(self) -> Path:
        return self.set.with_name(f"{self.set.name}-plan")

    def write(self) -> None:
        """Write the plan."""
        done = self.ground.buildsys("plan", self.set, "-o", self.plan)
        assert done.status == 0, done.text

    def make(self, *goals: str, **environment: str) -> Outcome:
        """Run it."""
        return self.ground.make(self.plan, "-j4", *goals, environment=environment)

    def log(self, image: str) -> str:
        return (self.plan / f"logs/{image}.log").read_text()

    def result(self, image: str) -> dict[str, str]:
        return dict(json.loads((self.plan / f"results/{image}.json").read_text()))


def open_quarry(ground: Ground, folder: Path, site: str, recipes: Mapping[str, str]) -> Quarry:
    """Write a set and its plan."""
    write_set(folder, site, recipes)
    quarry = Quarry(ground, folder)
    quarry.write()
    return quarry
