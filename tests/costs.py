"""The cost of each test: `--costs=FILE` writes it as tab-separated values and prints the largest at the end.

A cost is CPU seconds, user and system, of the worker and of all programs that it started and waited for. On a
busy machine these stay the same where the seconds of a clock double. A fixture that several tests share has a
row of its own, under the test that came first. With `--limit=SECONDS` a run fails if a row costs more; the
mark `costly` gives a test, and the fixtures charged to it, a limit of its own.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SHOWN = 10
"""Rows of the summary."""


class Cost(NamedTuple):
    """CPU seconds, and seconds of a clock."""

    cpu: float = 0.0
    wall: float = 0.0

    def plus(self, other: Cost) -> Cost:
        return Cost(self.cpu + other.cpu, self.wall + other.wall)

    def minus(self, other: Cost) -> Cost:
        return Cost(self.cpu - other.cpu, self.wall - other.wall)

    @classmethod
    def now(cls) -> Cost:
        """The cost of this process and its ended children so far."""
        used = os.times()
        return cls(used.user + used.system + used.children_user + used.children_system, time.monotonic())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--costs", type=Path, metavar="FILE", help="write CPU and wall seconds of each test")
    parser.addoption("--limit", type=float, metavar="SECONDS", help="fail if a test needs more CPU seconds")


def pytest_configure(config: pytest.Config) -> None:
    """Measure in the workers, add up in the controller; without workers do both here."""
    config.addinivalue_line("markers", "costly(seconds): a limit of CPU seconds of the test's own")
    if config.getoption("--costs") is None:
        return
    config.pluginmanager.register(Meter())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Bill(config.getoption("--costs"), config.getoption("--limit")))


class Meter:
    """Attaches the costs to each report: rows of (what, CPU seconds, wall seconds, limit or None)."""

    def __init__(self) -> None:
        self._last = Cost.now()
        self._shared: dict[str, Cost] = {}
        """Costs of shared fixtures since `_last`: part of a phase, but in rows of their own."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Charge a shared fixture without the shared fixtures that it asks for."""
        if fixturedef.scope == "function":
            return (yield)
        begun, before = Cost.now(), total(self._shared)
        try:
            return (yield)
        finally:
            inner = total(self._shared).minus(before)
            self._shared[f"fixture {fixturedef.argname}"] = Cost.now().minus(begun).minus(inner)

    def pytest_runtest_logstart(self) -> None:
        self._last = Cost.now()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A report is made after each phase: setup, call, teardown."""
        report = yield
        here = Cost.now()
        rows = {**self._shared, "test": here.minus(self._last).minus(total(self._shared))}
        mark = item.get_closest_marker("costly")
        limit = float(mark.args[0]) if mark else None
        report.costs = [(what, cost.cpu, cost.wall, limit) for what, cost in rows.items()]
        self._last, self._shared = here, {}
        return report


def total(costs: dict[str, Cost]) -> Cost:
    result = Cost()
    for cost in costs.values():
        result = result.plus(cost)
    return result


@dataclass(eq=False)
class Bill:
    """Adds up what the reports say."""

    file: Path
    limit: float | None
    costs: dict[str, Cost] = field(default_factory=lambda: defaultdict(Cost))
    """By `TEST`, tabulator, `test` or `fixture NAME`."""
    own_limits: dict[str, float] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for what, cpu, wall, limit in getattr(report, "costs", ()):
            row = f"{report.nodeid}\t{what}"
            self.costs[row] = self.costs[row].plus(Cost(cpu, wall))
            if limit is not None:
                self.own_limits[row] = limit

    def beyond(self) -> list[str]:
        """The rows above their limit."""
        limit = self.limit
        if limit is None:
            return []
        return [row for row, cost in self.costs.items() if cost.cpu > self.own_limits.get(row, limit)]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.beyond() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the file, the largest cost first; print the sum, the largest, and all above their limit."""
        rows = sorted(self.costs.items(), key=lambda item: -item[1].cpu)
        lines = [f"{cost.cpu:.2f}\t{cost.wall:.2f}\t{row}" for row, cost in rows]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text("\n".join(["cpu\twall\ttest\twhat", *lines, ""]), "utf-8")
        terminalreporter.section(f"{total(self.costs).cpu:.0f} CPU seconds, the largest of {self.file}")
        for line in lines[:SHOWN]:
            terminalreporter.line(line.expandtabs())
        for row in self.beyond():
            terminalreporter.line(f"costs: above the limit: {row.expandtabs()}", red=True)
