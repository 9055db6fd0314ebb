"""Equal keys mean equal ids: what several machines have built is held against each other.

`python -m tests.releases.ids NAME=FOLDER...` reads the result files of each FOLDER and prints how many keys
are equal, and how many of these have equal ids. It exits with 1 when a key has more than one id, or when a
machine has built nothing, or not what the others have.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Built:
    """What a machine made of one image: the key it was asked for, and the id of what came out."""

    key: str
    id: str


Machine = Mapping[str, Built]
"""What a machine has built, by the name of the image."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two machines beside each other; the names are those of images."""

    machines: tuple[str, str]
    images: int
    """How many both have built."""
    equal_keys: int
    differing: tuple[str, ...]
    """Of equal key, and of another id."""
    alone: tuple[str, ...]
    """Built by one of them only."""

    @property
    def holds(self) -> bool:
        """Whether the two have built the same images, at least one, and no key has two ids."""
        return self.images > 0 and not self.differing and not self.alone


def collect(results: Path) -> dict[str, Built]:
    """What the result files of a plan say was built; what failed has no id and is left out.

    Raises:
        ValueError: a file is not a result file.
    """
    built = {}
    for file in sorted(results.glob("*.json")):
        try:
            data = json.loads(file.read_text("utf-8"))
            name, key, image_id = data["image"], data["key"], data["image_id"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} is not a result file: {error!r}") from error
        if image_id:
            built[name] = Built(key, image_id)
    return built


def pairs(machines: Mapping[str, Machine]) -> Iterator[Pair]:
    """Each two machines, in the order given."""
    for one, other in combinations(machines, 2):
        here, there = machines[one], machines[other]
        both = sorted(here.keys() & there.keys())
        equal = [name for name in both if here[name].key == there[name].key]
        differing = tuple(name for name in equal if here[name].id != there[name].id)
        alone = tuple(sorted(here.keys() ^ there.keys()))
        yield Pair((one, other), len(both), len(equal), differing, alone)


def report(machines: Mapping[str, Machine]) -> tuple[str, bool]:
    """A table in Markdown and what is wrong, a line each; and whether all of it holds."""
    lines = ["| built on | images | equal keys | of these, equal ids |", "|---|---:|---:|---:|"]
    wrong = []
    compared = list(pairs(machines))
    for pair in compared:
        one, other = pair.machines
        equal = pair.equal_keys - len(pair.differing)
        lines.append(f"| {one}, {other} | {pair.images} | {pair.equal_keys} | {equal} |")
        for name in pair.differing:
            here, there = machines[one][name], machines[other][name]
            wrong.append(f"* {name} {here.key}: {here.id} on {one}, {there.id} on {other}")
        wrong += [f"* {name}: built on {one} or on {other}, not on both" for name in pair.alone]
        if not pair.images:
            wrong.append(f"* nothing was built on both {one} and {other}")
    if not compared:
        wrong.append("* there are no two machines to compare")
    text = "\n".join([*lines, *([""] if wrong else []), *wrong]) + "\n"
    return text, not wrong


def main(arguments: Sequence[str]) -> int:
    """Compare the folders given as NAME=FOLDER."""
    given = dict(word.split("=", 1) for word in arguments)
    text, holds = report({name: collect(Path(folder)) for name, folder in given.items()})
    sys.stdout.write(text)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
