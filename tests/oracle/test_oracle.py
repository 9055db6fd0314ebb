"""The oracle: an incremental build equals one from nothing, and rebuilds no more than it must."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.oracle.changes import KINDS
from tests.oracle.ground import Ground
from tests.oracle.judge import Count, bench
from tests.oracle.world import Flavour, Recipe, World

pytestmark = pytest.mark.real

LONG = os.environ.get("BS_ORACLE") == "long"
"""`make acceptance` asks for more examples than a test run has time for."""
WORLDS, ROUNDS = (30, 8) if LONG else (2, 2)
FIRST = {"root-1.0", "libmid-1.0", "mid-1.0", "leaf-1.0", "tool-1.0", "other-1.0"}
FLAVOURS: list[Flavour] = ["bare", "locked", "unlocked", "unlocked-url"]

# Rounds that together hold every kind of change, and so that each is met where it can do harm.
TOUR: dict[Flavour, list[dict[str, str]]] = {
    "bare": [
        {"comment": "base", "order-of-keys": "tip", "another-file": "side", "touch": ""},
        {"line-added": "tip", "equal-content": "base"},
        {"environment": "side"},
        {"older-times": "", "another-path": "", "another-tag": "", "trait-given-another-word": "side"},
        {"line-changed-under-old-times": "side", "line-removed": "top"},
        {"parent": "top side", "environment": "tip"},
        {"trait-changed": "", "base-moved": "2"},
        {"file-changed-under-old-times": "conf", "trait-no-longer-used": "top"},
        {"file-may-run": "more", "overlay": "side", "name-moved": "base", "trait-newly-used": "tip"},
        {"fresh-clone": ""},
        {"image-removed": "base", "name-removed": "side", "another-namespace": ""},
        {"file-changed": "more", "line-changed": "tip", "base-moved": "1"},
        {"form": ""},
    ],
    "locked": [
        {"package-nobody-wants": "", "comment": "base"},
        {"package-updated": "mid", "equal-content": "base"},
        {"package-asked-for": "0", "package-updated": "leaf"},
        {"epoch": ""},
    ],
    "unlocked": [{"package-nobody-wants": ""}, {"package-asked-for": "6"}, {"common": ""}],
    "unlocked-url": [{"package-updated": "leaf", "line-added": "top"}, {"package-nobody-wants": ""}],
}


def small(flavour: Flavour) -> World:
    """A set of four images: a base, one beside, one that copies from that, and one more generation."""
    packed = flavour != "bare"
    recipes = {
        "base": Recipe("site", ["a", "b"], files=["conf"], env={"A": "a"}),
        "side": Recipe("base", ["s"], word="given", packages=["leaf"] if packed else []),
        "tip": Recipe("base", ["t", "u"], copies=["side"], packages=["mid"] if packed else []),
        "top": Recipe("tip", ["v", "w"], word="given", files=["more"]),
    }
    files = {"conf": ("conf", False), "more": ("more", False)}
    world = World(flavour, recipes, set(FIRST), files=files)
    world.locked = world.newest()
    return world


@pytest.fixture(scope="session")
def total() -> Iterator[Count]:
    """Of all tests together; said at the end."""
    made = Count()
    yield made
    print(f"\n{made}")  # noqa: T201 - what the summary is for


@pytest.fixture
def count(total: Count) -> Iterator[Count]:
    made = Count()
    yield made
    total.add(made)


def test_the_tour_holds_every_kind() -> None:
    assert {name for rounds in TOUR.values() for names in rounds for name in names} == KINDS.keys()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_kind_of_change(oracle_ground: Ground, tmp_path: Path, count: Count, flavour: Flavour) -> None:
    with bench(tmp_path / "bench", oracle_ground, small(flavour), count) as at:
        for names in TOUR[flavour]:
            assert at.round(names, partial(_wanted, names)) == [*names]
    assert count.blame() == ""
    assert count.rounds == len(TOUR[flavour])
    # Without a lock all that has packages is rebuilt when the repository moves; its content did not.
    assert count.cutoffs > 0


def _wanted(names: dict[str, str], kind: str, choices: list[str]) -> str:
    assert names[kind] in choices, (kind, choices)
    return names[kind]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A set of two to five images, of any shape, with or without packages."""
    flavour, flag = draw(st.sampled_from(FLAVOURS)), st.booleans()
    packages = ["leaf", "mid", "tool"] if flavour != "bare" else []
    recipes: dict[str, Recipe] = {}
    for number in range(draw(st.integers(2, 5))):
        before = [*recipes]
        packs = draw(flag)
        copied = st.lists(st.sampled_from(before or [""]), max_size=2 if before else 0, unique=True)
        recipes[f"i{number}"] = Recipe(
            parent=draw(st.sampled_from(["site", *before])),
            lines=draw(st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, unique=True)),
            env={"A": "a"} if draw(flag) else {},
            word=draw(st.none() | st.sampled_from(["said", "told"])),
            files=draw(st.lists(st.sampled_from(["conf", "more"]), unique=True)),
            packages=[packages.pop()] if packs and packages else [],
            copies=draw(copied),
        )
    files = {"conf": ("conf", False), "more": ("more", True)}
    world = World(flavour, recipes, set(FIRST), files=files)
    world.locked = world.newest()
    return world


@settings(
    max_examples=WORLDS,
    derandomize=not LONG,
    deadline=None,
    # What is found is said as the changes that led there; to look for fewer would take an hour.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_any_changes_of_any_set(
    data: st.DataObject, oracle_ground: Ground, tmp_path_factory: pytest.TempPathFactory, count: Count
) -> None:
    place = tmp_path_factory.mktemp("world")
    with bench(place / "bench", oracle_ground, data.draw(worlds()), count) as at:
        for _ in range(ROUNDS):
            names = data.draw(st.lists(st.sampled_from([*KINDS]), min_size=1, max_size=3, unique=True))
            note(str(at.round(names, lambda _, choices: data.draw(st.sampled_from(choices)))))
    assert count.blame() == ""
