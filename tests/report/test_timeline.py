"""The last run in time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from buildsys.plan.read import Span
from buildsys.report.timeline import ROUNDED, Timeline, timeline


def longest(seconds: Mapping[str, float]) -> list[str]:
    return [max(seconds, key=lambda name: (seconds[name], name))]


def drawn(*spans: Span) -> Timeline:
    found = timeline(spans, longest)
    assert found is not None
    return found


def test_a_run_without_times_has_no_timeline() -> None:
    assert timeline([], longest) is None


def test_two_at_once_need_two_slots_and_the_next_one_takes_the_first_that_is_free() -> None:
    run = drawn(
        Span("base", 100, 110, failed=False),
        Span("one", 110, 130, failed=False),
        Span("two", 110, 115, failed=True),
        Span("three", 115, 118, failed=False),
    )
    assert {bar.image: bar.slot for bar in run.bars} == {"base": 0, "one": 0, "two": 1, "three": 1}
    assert (run.began, run.seconds, run.slots, run.work) == (100, 30, 2, 38)
    assert [bar.image for bar in run.bars if bar.failed] == ["two"]


def test_the_critical_path_is_marked_and_measured() -> None:
    run = drawn(Span("base", 0, 10, failed=False), Span("one", 10, 12, failed=False))
    assert (run.chain, run.chain_seconds) == (("base",), 10)
    assert [bar.image for bar in run.bars if bar.critical] == ["base"]


def test_a_rounded_length_takes_no_slot_of_its_own() -> None:
    run = drawn(Span("base", 0, 10.04, failed=False), Span("one", 10.0, 12, failed=False))
    assert run.slots == 1


def test_an_image_of_the_path_that_was_not_built_is_left_out() -> None:
    run = timeline([Span("one", 0, 1, failed=False)], lambda _: ["base", "one"])
    assert run is not None
    assert run.chain == ("one",)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), min_size=1, max_size=30))
def test_bars_of_a_slot_do_not_overlap(times: list[tuple[int, int]]) -> None:
    run = drawn(
        *(
            Span(f"i{number}", begin, begin + length, failed=False)
            for number, (begin, length) in enumerate(times)
        )
    )
    for one, other in combinations(run.bars, 2):
        if one.slot == other.slot:
            assert one.end <= other.begin + ROUNDED or other.end <= one.begin + ROUNDED
    assert run.slots <= max(
        sum(bar.begin <= moment.begin <= bar.end for bar in run.bars) for moment in run.bars
    )
