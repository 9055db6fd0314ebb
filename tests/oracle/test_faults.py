"""The oracle is itself held to something: with a fault in what decides, it finds it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from buildsys.plan import compile as compiling
from tests.oracle.ground import Ground
from tests.oracle.judge import Count, bench
from tests.oracle.world import Flavour, Recipe, World

pytestmark = pytest.mark.real

DECIDER = "freshness.sh"
READ = 'INPUTS=$(<"$PLAN/keys/$IMAGE")'


def without(kind: str) -> Callable[[str], str]:
    """The decider, blind to inputs of a kind."""
    return lambda text: text.replace(READ, f"INPUTS=$(grep -v '^{kind} ' \"$PLAN/keys/$IMAGE\")")


FAULTS: dict[str, tuple[str, Callable[[str], str], Flavour, str, str]] = {
    # name: file, how it is spoilt, flavour, change, what must be found
    "instructions": (DECIDER, without("do"), "bare", "line-added", "missed"),
    "packages": (DECIDER, without("package"), "locked", "package-updated", "missed"),
    "what repositories hold": (
        DECIDER,
        lambda text: text.replace("&& -s $metadata ]]", "&& -s $metadata.none ]]"),
        "unlocked-url",
        "package-updated",
        "missed",
    ),
    "images": (
        DECIDER,
        lambda text: text.replace("INPUTS+=$'\\n'\"image $name $read_id\"", ":"),
        "bare",
        "base-moved",
        "missed",
    ),
    "the hour": (
        DECIDER,
        lambda text: text.replace(READ, f'{READ}; INPUTS+=" $EPOCHREALTIME"'),
        "bare",
        "fresh-clone",
        "needless",
    ),
    "a wrong word": (
        "changes.sh",
        lambda text: text.replace('? "parent" :', '? "ancestor" :'),
        "bare",
        "base-moved",
        "wrong",
    ),
    "stamps that trust any base image": (
        "judge.sh",
        lambda text: text.replace("good = unmoved(word[2], word[3])", "good = 1"),
        "bare",
        "base-moved",
        "missed",
    ),
}


def tiny(flavour: Flavour) -> World:
    """Two images."""
    packed = flavour != "bare"
    recipes = {
        "base": Recipe("site", ["a"]),
        "tip": Recipe("base", ["t"], packages=["leaf"] if packed else []),
    }
    world = World(flavour, recipes, {"root-1.0", "libmid-1.0", "mid-1.0", "leaf-1.0", "tool-1.0"})
    world.locked = world.newest()
    return world


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(
    fault: str, oracle_ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, spoil, flavour, change, kind = FAULTS[fault]
    runtime = tmp_path / "runtime"
    shutil.copytree(compiling.RUNTIME, runtime)
    text = (runtime / file).read_text()
    spoilt = spoil(text)
    assert spoilt != text
    (runtime / file).write_text(spoilt)
    monkeypatch.setattr(compiling, "RUNTIME", runtime)
    count = Count()
    with bench(tmp_path / "bench", oracle_ground, tiny(flavour), count) as at:
        count.missed, count.needless, count.wrong = [], [], []
        at.round([change], lambda _, choices: choices[0])
    found = {"missed": count.missed, "needless": count.needless, "wrong": count.wrong}
    assert found[kind], str(count)
