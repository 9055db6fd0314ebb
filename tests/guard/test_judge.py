"""Which test is named for a change, when several workers look on."""

from __future__ import annotations

from pathlib import Path

from tests.guard.judge import Difference, Finding, Look, judge, left, patterns, read, write

MODE = Difference("mode /sys", "a", "b")
BACK = Difference("mode /sys", "b", "a")
NAME = Difference("name /tmp/x", "missing", "there")


def look(test: str, begin: float, end: float, *seen: Difference, since: float | None = None) -> Look:
    """The look before was over when the test began."""
    return Look(test, begin if since is None else since, begin, end, end, seen)


def test_without_other_workers_it_is_the_test() -> None:
    looks = [look("one", 0, 1), look("two", 1, 2, MODE), look("three", 2, 3)]
    assert judge([MODE], looks) == [Finding(MODE, ("two",))]


def test_tests_of_other_workers_are_suspects_while_they_were_at_work() -> None:
    looks = [look("long", 0, 10, MODE), look("a", 0, 4), look("b", 4, 6, MODE), look("c", 6, 10)]
    assert judge([MODE], looks) == [Finding(MODE, ("long", "b"))]


def test_all_who_saw_it_make_the_time_narrow() -> None:
    looks = [look("a", 0, 5), look("x", 0, 7, MODE), look("b", 5, 9, MODE), look("y", 7, 9)]
    assert judge([MODE], looks) == [Finding(MODE, ("x", "b"))]


def test_between_two_tests_none_is_named() -> None:
    looks = [look("a", 0, 1), look("b", 5, 6, MODE, since=1)]
    assert judge([MODE], looks) == [Finding(MODE, ("b",))]
    assert judge([MODE], [look("a", 0, 1)]) == [Finding(MODE)]


def test_what_nothing_may_change_is_reported_even_when_it_was_put_back() -> None:
    looks = [look("one", 0, 1, MODE), look("two", 1, 2, BACK)]
    assert judge([], looks) == [Finding(MODE, ("one",), gone=True)]
    assert judge([], looks, ["mode *"]) == []


def test_names_and_mounts_of_a_moment_are_no_findings() -> None:
    gone = Difference("name /tmp/x", "there", "missing")
    assert judge([], [look("one", 0, 1, NAME), look("two", 1, 2, gone)]) == []


def test_the_last_of_several_changes_counts() -> None:
    away = Difference("name /tmp/x", "there", "missing")
    looks = [look("one", 0, 1, NAME), look("two", 1, 2, away), look("three", 2, 3, NAME)]
    assert judge([NAME], looks) == [Finding(NAME, ("three",))]


def test_a_value_on_the_way_to_another_is_reported_as_well() -> None:
    looks = [look("one", 0, 1, MODE), look("two", 1, 2, Difference("mode /sys", "b", "c"))]
    assert judge([Difference("mode /sys", "a", "c")], looks) == [
        Finding(Difference("mode /sys", "a", "c"), ("two",)),
        Finding(MODE, ("one",)),
    ]


def test_a_finding_is_one_line() -> None:
    assert Finding(NAME, ("t.py::a",)).text() == "name /tmp/x: was 'missing', is 'there'; by t.py::a"
    assert Finding(NAME).text().endswith("; by no test that was seen")
    assert Finding(NAME, ("a", "b")).text().endswith("; by one of 2 at work then: a, b")
    assert "is 'b', and as before at the end; by a" in Finding(MODE, ("a",), gone=True).text()
    assert "\n" not in Finding(Difference("setting x", "1\n2\t3", "y" * 500)).text()


def test_a_process_names_the_test_that_started_it() -> None:
    assert [item.text() for item in left({7: ("sleep 9", "t.py::a")})] == [
        "process 7: was 'missing', is 'sleep 9'; by t.py::a"
    ]


def test_what_workers_write_is_read_in_order_of_time(tmp_path: Path) -> None:
    first, second, third = look("a", 0, 1, MODE), look("b", 0, 2), look("c", 1, 3, NAME, since=0.5)
    for file, seen in (("gw0", first), ("gw1", second), ("gw0", third)):
        write(tmp_path / f"{file}.looks", seen)
    assert read(tmp_path) == [first, second, third]


def test_patterns_stand_between_commas() -> None:
    assert patterns(" name /tmp/*, ,store *") == ("name /tmp/*", "store *")
    assert patterns("") == ()
