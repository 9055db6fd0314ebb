"""Locks that were changed and sealed again: each is refused at its line, or is a lock; none is a bug."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from buildsys.diagnostics import Refused
from buildsys.lock.lockfile import read, text
from tests.lock.test_file import sample
from tests.lock.world import World

MUTANTS = 400
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1 << 70, 1.5, "", " ", "../../../etc/passwd", "/etc/passwd", "a\nb", "a\0b",
    "é", "\ud800", "sha256:" + "0" * 64, "sha256:", "$(id)", "'", "x" * 5000, [], [[]], ["install"], {},
    {"from": ""}, {"a": []}, [1, "a"],
)  # fmt: skip
"""What is put in the place of something."""


def sealed(body: str) -> bytes:
    data = body.encode("utf-8", "surrogatepass")
    return data + f'seal: "{hashlib.sha256(data).hexdigest()}"\n'.encode()


def rows(content: str) -> tuple[list[str], list[int]]:
    """The lines of a lock without its seal, and which of them hold a thing."""
    lines = content.rpartition("seal: ")[0].splitlines()
    return lines, [number for number, line in enumerate(lines) if ":" in line and not line.startswith("#")]


def mutate(value: Any, choice: random.Random) -> Any:
    """A value with something else somewhere in it."""
    if not isinstance(value, (list, dict)) or not value or choice.random() < 0.25:
        return choice.choice(ODD)
    if isinstance(value, dict):
        key = choice.choice([*value])
        changed = {name: item for name, item in value.items() if name != key}
        if choice.random() < 0.2:
            return changed
        return {**changed, choice.choice([key, key, key, "odd"]): mutate(value[key], choice)}
    at = choice.randrange(len(value))
    way = choice.randrange(4)
    if way == 0:
        return [*value[:at], *value[at + 1 :]]
    if way == 1:
        return [*value, choice.choice([*ODD, *value])]
    return [*value[:at], mutate(value[at], choice), *value[at + 1 :]]


def mutant(content: str, seed: int) -> bytes:
    choice = random.Random(seed)  # noqa: S311 - no secret
    lines, things = rows(content)
    for _ in range(choice.choice([1, 1, 1, 2])):
        number = choice.choice(things) if len(things) > 1 else 0
        line = lines[number]
        way = choice.randrange(6)
        if way == 0:
            lines[number] = "# gone"
        elif way == 1:
            lines.insert(number, line)
        elif way == 2:
            place = choice.randrange(len(line) + 1)
            lines[number] = (
                line[:place]
                + choice.choice(['"', "[", "{", ":", "\\", " ", "\t", "9", "\x85"])
                + line[place:]
            )
        else:
            margin = "  " if line.startswith("  ") else ""
            name, _, old = line.strip().partition('": ' if margin else ":")
            try:
                value = json.loads(old) if old.strip() else {}
            except ValueError:  # changed before
                continue
            other = json.dumps(mutate(value, choice))
            lines[number] = f"{margin}{name}{chr(34) if margin else ''}: {other}"
    return sealed("\n".join(lines) + "\n")


@pytest.mark.parametrize("seed", range(0, 1500, 100))
def test_a_changed_lock_is_a_lock_or_refused(seed: int, tmp_path: Path) -> None:
    content = text(sample())
    path = tmp_path / "far.yaml"
    refused, codes = 0, set()
    for number in range(seed, seed + 100):
        path.write_bytes(mutant(content, number))
        try:
            read(path, image_set="demo", site="far")
        except Refused as problem:
            refused += 1
            codes |= {item.code for item in problem.diagnostics}
    assert refused > 50
    assert codes <= {"lock-unreadable", "lock-of-another"}


@pytest.fixture
def settled(world: World) -> World:
    """A set with a lock, planned once."""
    assert world.buildsys("lock", "demo/").returncode == 0
    assert world.buildsys("plan", "demo/").returncode == 0
    return world


def test_a_changed_lock_is_planned_or_refused(settled: World) -> None:
    content = settled.lock_file.read_text()
    statuses = set()
    for number in range(MUTANTS):
        settled.lock_file.write_bytes(mutant(content, number))
        for verb in ("plan", "lock") if number % 20 == 0 else ("plan",):
            done = settled.buildsys(verb, "demo/", BS_PAUSE="0")
            statuses.add(done.returncode)
            assert done.returncode in (0, 1, 2), (number, done.stderr)
            assert "bug of buildsys" not in done.stderr
    assert {0, 2} <= statuses


@pytest.mark.parametrize("depth", [2000, 200_000])
@pytest.mark.parametrize("sign", ["[", '{"a":'])
@pytest.mark.parametrize("at", ["images:", "absent:", '  "tip": '])
def test_what_stands_too_deep(settled: World, depth: int, sign: str, at: str) -> None:
    lines, _ = rows(settled.lock_file.read_text())
    number = next(number for number, line in enumerate(lines) if line.startswith(at))
    end = "]" if sign == "[" else "}"
    lines[number] = f"{at} {sign * depth}{'1' if sign != '[' else ''}{end * depth}"
    settled.lock_file.write_bytes(sealed("\n".join(lines) + "\n"))
    done = settled.buildsys("plan", "demo/")
    assert done.returncode == 2, done.stderr[:500]
    assert f"demo/locks/far.yaml:{number + 1}:1: error: " in done.stderr
    assert "[lock-unreadable]" in done.stderr


def test_all_mistakes_are_told_with_their_lines(settled: World) -> None:
    lines, _ = rows(settled.lock_file.read_text())
    package = next(number for number, line in enumerate(lines) if '"leaf", "0"' in line)
    lines[package] = lines[package].replace('"leaf-1.0-1.noarch.rpm"', '"../leaf-1.0-1.noarch.rpm"')
    image = next(number for number, line in enumerate(lines) if line.startswith('  "tip"'))
    lines[image] = lines[image].replace('"from"', '"form"')
    settled.lock_file.write_bytes(sealed("\n".join(lines) + "\n"))
    done = settled.buildsys("plan", "demo/")
    assert done.returncode == 2
    for number in (package, image):
        assert (
            f"demo/locks/far.yaml:{number + 1}:1: error: this is not what `buildsys lock` writes"
            in done.stderr
        )
    shutil.rmtree(settled.place / "build")
