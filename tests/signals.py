"""Signals that the caller ignores, as nohup and many a runner of CI do: what tests start must hear them.

A program that starts with a signal ignored keeps ignoring it, and so do its children. A handler that does
nothing is not inherited: this run stays as deaf as its caller wants it, and what tests start can be ended.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable
from typing import Any

import pytest

NUMBERS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def pytest_configure(config: pytest.Config) -> None:
    """Hand on to children none of the signals that are ignored here."""
    workers = getattr(config, "workerinput", {})
    _take(number for number in NUMBERS if number in workers.get("deaf", ()) or _is_ignored(number))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Workers are children: they would hear what their controller does not."""
    node.workerinput["deaf"] = [int(number) for number in NUMBERS if signal.getsignal(number) is _nothing]


def _is_ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def _take(numbers: Iterable[signal.Signals]) -> None:
    for number in numbers:
        signal.signal(number, _nothing)


def _nothing(number: int, frame: object) -> None:
    """Hear a signal, and do nothing."""
