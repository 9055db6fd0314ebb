"""Work spread over processes gives what work in one gives."""

from __future__ import annotations

import os

import pytest

from buildsys import spread as room
from buildsys.spread import spread


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes for ten things, whatever this machine has."""
    monkeypatch.setattr(room, "SHARE", 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})


def test_answers_come_in_order_and_from_several_processes() -> None:
    answers = spread(lambda number: (number, os.getpid()), range(10))
    assert [number for number, _ in answers] == list(range(10))
    assert len({process for _, process in answers}) == 3


def test_few_things_stay_in_this_process() -> None:
    assert spread(lambda _: os.getpid(), range(5)) == [os.getpid()] * 5
    assert spread(str, []) == []


def test_what_another_process_cannot_do_is_done_here() -> None:
    here = os.getpid()

    def work(number: int) -> int:
        if os.getpid() != here:
            os._exit(9)
        return number

    assert spread(work, range(10)) == list(range(10))


def test_what_is_raised_elsewhere_is_raised_here(capfd: pytest.CaptureFixture[str]) -> None:
    def work(number: int) -> int:
        return 1 // (number - 9)

    with pytest.raises(ZeroDivisionError):
        spread(work, range(10))
    assert capfd.readouterr().err == ""
