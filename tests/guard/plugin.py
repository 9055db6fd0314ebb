"""The guard around a run of tests: a test that changes the machine fails the run, and is named.

Around each test its worker looks at the machine, in a few milliseconds, and writes down what differs. At the
end the controller compares everything with how it was before the first test. What workers wrote down gives
the name of the test. Alone it proves nothing of mounts and names: other workers make some meanwhile.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.guard import judge, processes
from tests.guard.folder import Folder
from tests.guard.machine import Machine, Snapshot, Watch


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin, before pytest chooses a place for the folders of tests."""
    config.addinivalue_line(
        "markers", "changes(*patterns): things of the machine that the test changes, and puts back itself"
    )
    workers = getattr(config, "workerinput", None)
    if workers is not None:
        folder = Path(os.environ[processes.MARK])
        watch = Watch(Machine.here(folder))
        config.pluginmanager.register(Witness(watch, folder / f"{workers['workerid']}.looks"))
    elif not (config.option.collectonly or config.option.help or config.option.version):
        controller = Controller()
        if not config.option.basetemp:
            config.option.basetemp = str(controller.folder.tests)
        config.pluginmanager.register(controller)


class Witness:
    """Looks at the machine after each test."""

    def __init__(self, watch: Watch, journal: Path) -> None:
        self._watch = watch
        self._journal = journal
        self._since = self._network_since = time.monotonic()
        self._last = {**watch.kept(), **watch.traces()}
        self._network = watch.network()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Look at the machine after what is torn down with the test."""
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self._look(item, began)
            # Settings of the network are very many, and are read after the last test of a file.
            if nextitem is None or nextitem.path != item.path:
                self._look_at_network(item, began)

    def _look(self, item: pytest.Item, began: float) -> None:
        ended = time.monotonic()
        now = {**self._watch.kept(), **self._watch.traces()}
        self._write(item, self._since, (began, ended), self._last, now)
        self._last, self._since = now, ended

    def _look_at_network(self, item: pytest.Item, began: float) -> None:
        ended = time.monotonic()
        now = self._watch.network()
        if now != self._network:
            self._write(item, self._network_since, (began, ended), self._network, now)
        self._network, self._network_since = now, ended

    def _write(
        self, item: pytest.Item, since: float, lasted: tuple[float, float], was: Snapshot, now: Snapshot
    ) -> None:
        seen = tuple(judge.differences(was, now))
        declared = tuple(pattern for mark in item.iter_markers("changes") for pattern in mark.args)
        judge.write(self._journal, judge.Look(item.nodeid, since, *lasted, time.monotonic(), seen, declared))


FIRST_USE = ("name /run/containers", "name /run/lock/netavark.lock", "name /var/cache/containers")
"""What buildah and podman make when they first run on a machine, whatever store they are given."""


class Controller:
    """Compares the end with the beginning; without workers it is the witness as well."""

    def __init__(self) -> None:
        self.folder = Folder()
        self._expected = (*FIRST_USE, *judge.patterns(os.environ.get(judge.EXPECT, "")))
        self._watch = Watch(Machine.here(self.folder.path))
        self._before = self._watch.whole()
        self._findings: list[judge.Finding] = []
        self._keep = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Without workers, look around each test."""
        if not getattr(session.config.option, "tx", None):
            witness = Witness(self._watch, self.folder.path / "main.looks")
            session.config.pluginmanager.register(witness)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare, when workers are gone and all is torn down."""
        found = processes.lasting(lambda: processes.marked(self.folder.path))
        ends = judge.differences(self._before, self._watch.whole(), self._expected)
        looks = judge.read(self.folder.path)
        self._findings = [*judge.judge(ends, looks, self._expected), *judge.left(found)]
        if self._findings and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._keep = session.exitstatus != pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was changed, a line each, and where the folders of tests are."""
        if self._findings:
            terminalreporter.section("the machine is not as it was", red=True)
            for finding in self._findings:
                terminalreporter.line(f"guard: {finding.text()}", red=True)
        if self._keep:
            terminalreporter.line(f"folders of the tests: {self.folder.path}")

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Remove the run's folder, unless somebody may want to look into it."""
        if not self._keep:
            self.folder.remove()
