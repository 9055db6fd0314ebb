"""The facts are whole, and say nothing twice in two ways."""

from __future__ import annotations

from collections import Counter

from . import facts as known
from . import paths, replay
from .undo import _STEPS

FACTS = known.load()
IMAGES = FACTS.images.values()


def test_nothing_was_lost() -> None:
    assert len(FACTS.images) == 108
    assert len(FACTS.accounts) == 75
    assert len(FACTS.steps) == len({step.fact for step in FACTS.steps}) == 460
    assert sum(len(image.files) for image in IMAGES) == 90
    assert sum(len(image.packages) for image in IMAGES) == 489
    assert sum(bool(image.healthcheck) for image in IMAGES) == 41
    assert sum(len(image.dropped_packages) for image in IMAGES) == 15
    assert sum(len(image.dropped_files) for image in IMAGES) == 9
    assert len({image.user for image in IMAGES}) == 30


def test_steps_are_of_23_kinds_and_each_can_be_undone() -> None:
    kinds = Counter(step.kind for step in FACTS.steps)
    assert len(kinds) == 23
    assert kinds["chmod"] == 139
    assert set(kinds) == set(_STEPS)


def test_parents_come_before_children() -> None:
    order = list(FACTS.images)
    assert [name for name in order if not FACTS.images[name].parent] == ["base"]
    assert all(order.index(image.parent) < order.index(image.name) for image in IMAGES if image.parent)


def test_every_final_user_is_an_account() -> None:
    assert {image.user for image in IMAGES} <= {"root", *FACTS.accounts}


def test_accounts_say_what_their_images_do() -> None:
    homes: dict[str, set[str]] = {}
    groups: dict[str, set[str]] = {}
    for step in FACTS.steps:
        if step.kind == "usermod":
            homes.setdefault(step.text("user"), set()).update({step.text("home")} - {""})
            groups.setdefault(step.text("user"), set()).update(step.texts("groups"))
    for account in FACTS.accounts.values():
        assert homes.get(account.name, set()) == ({account.home} - {""})
        assert groups.get(account.name, set()) == set(account.groups)
        for image in account.configured_in:
            assert any(step.text("user") == account.name for step in FACTS.images[image].steps)


def test_a_health_check_is_made_where_it_is_configured() -> None:
    for image in IMAGES:
        links = [step.text("link") for step in image.steps if step.kind == "symlink"]
        assert (image.healthcheck in links) == bool(image.healthcheck)


def test_every_mode_is_understood() -> None:
    modes = {step.text("mode") for step in FACTS.steps if step.kind == "chmod"}
    assert {mode: replay.mode(mode)[0] for mode in modes} == {
        "+x": 0o111,
        "a+rx": 0o555,
        "440": 0o440,
        "640": 0o640,
        "644": 0o644,
        "750": 0o750,
        "755": 0o755,
        "2775": 0o2775,
    }


def test_patterns_stand_in_the_last_part_of_a_path() -> None:
    named = [path for step in FACTS.steps for path in (*step.texts("paths"), step.text("src"))]
    assert not [path for path in named if paths.is_pattern(path.rpartition("/")[0])]
