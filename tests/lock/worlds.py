"""Repositories that nobody thought of, the same ones everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.lock.index import Entry, write_index
from tests.lock.libraries import image, request, step


class Chance:
    """Numbers that are the same under every version of Python."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0

    def below(self, limit: int) -> int:
        """A number from zero on."""
        self._count += 1
        value = hashlib.sha256(f"{self._seed} {self._count}".encode()).digest()
        return int.from_bytes(value[:4]) % limit

    def some(self, things: Sequence[str], least: int, most: int) -> tuple[str, ...]:
        """Some of these, in some order, none twice."""
        left = list(things)
        number = least + self.below(most - least + 1)
        return tuple(left.pop(self.below(len(left))) for _ in range(min(number, len(left))))


def entries(chance: Chance, names: Sequence[str]) -> Iterator[Entry]:
    """Packages that need, provide, obsolete and hate each other."""

    def rarely(things: Sequence[str], one_in: int) -> tuple[str, ...]:
        found = chance.some(things, 1, 1) if chance.below(one_in) == 0 else ()
        signs = ("", " = 1.0", " >= 1.1", " <= 1.1")
        return tuple(name + (signs[chance.below(4)] if name in names else "") for name in found)

    for name in names:
        others = [item for item in names if item != name]
        for version in sorted(chance.some(("1.0", "1.1", "2.0"), 1, 3)):
            yield Entry(
                name,
                version,
                arch=("noarch", "noarch", "x86_64")[chance.below(3)],
                requires=rarely(others, 2) + rarely(("cap-a", "cap-b", "/usr/bin/tool"), 5),
                recommends=rarely(others, 3),
                provides=rarely(("cap-a", "cap-b"), 4),
                conflicts=rarely(others, 6),
                obsoletes=rarely(others, 9),
                files=rarely(("/usr/bin/tool", f"/opt/{name}"), 3),
            )


def world(seed: int, place: Path) -> dict[str, Any]:
    """One or two repositories, and six images of what is in them."""
    chance = Chance(seed)
    names = [f"p{number}" for number in range(6 + chance.below(8))]
    repositories: dict[str, list[Entry]] = {}
    for repository in ("a", "b")[: 1 + chance.below(2)]:
        repositories[repository] = [*entries(chance, names)]
        write_index(place / repository, repositories[repository])
    every = [entry for found in repositories.values() for entry in found]
    images: list[dict[str, Any]] = []
    for number in range(6):
        parents = ["", *(item["name"] for item in images)]
        kind = chance.below(8)
        steps = [step(*chance.some([*names, "cap-a", "cap-b", "/usr/bin/tool"], 1, 4))]
        if kind < 2:
            steps.append(step(remove=chance.some(names, 1, 1)) if kind else step(update=True))
        held = [every[chance.below(len(every))] for _ in range(3)] if chance.below(3) == 0 else None
        images.append(image(f"i{number}", parents[chance.below(len(parents))], *steps, held=held))
    return request({name: place / name for name in repositories}, images)
