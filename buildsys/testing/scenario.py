"""One scenario: its pod, containers in the order of `after`, then steps and checks; nothing of it stays."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from buildsys.diagnostics import Code, Diagnostic
from buildsys.interrupts import Interrupted
from buildsys.testing.container import NotStarted, Running, answer_to, mistakes_of, run_once, start
from buildsys.testing.podman import Podman, environment_options
from buildsys.testing.result import Case
from buildsys.testing.spec import Container, Exec, Scenario, ScenarioStep, place
from buildsys.testing.values import Values
from buildsys.testing.verdicts import of_health, seconds

POLL = 1.0
"""Seconds between two attempts: of a health check, and of a step with `retry`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a scenario runs."""

    podman: Podman
    ids: Mapping[str, str]
    """Image ids, by name."""
    scratch: Path
    """A directory for files and volumes; created for the scenario, removed afterwards."""
    logs: Path
    """A directory for the logs of a failed scenario."""


class _Failed(Exception):  # noqa: N818 - reads as what happened
    """A case failed and is recorded; whatever depends on it is skipped."""


def play(scenario: Scenario, stage: Stage) -> list[Case]:
    """Run a scenario to its end.

    Raises:
        Interrupted: the run is to end.
    """
    return _Play(scenario, stage).cases()


class _Play:
    """A running scenario."""

    def __init__(self, scenario: Scenario, stage: Stage) -> None:
        self._scenario = scenario
        self._podman = stage.podman
        self._stage = stage
        self._values = Values(scenario.secrets)
        self._pod = _Pod(scenario, stage.podman, self._values, stage.scratch)
        self._deadline = stage.podman.pace.now() + scenario.timeout
        self._items = {item.name: item for item in scenario.containers}
        self._ready = {item.name: threading.Event() for item in scenario.containers}
        self._over = threading.Event()
        """A case failed, or the run is to end: threads stop waiting."""
        self._late_recorded = threading.Event()
        self._running: dict[str, Running] = {}
        self._cases: list[Case] = []
        self._notes: dict[str, str] = {}
        """Output of `first` commands by container: podman removes theirs with the log."""
        self._problems: list[BaseException] = []

    def cases(self) -> list[Case]:
        """Run it; all cases, with secrets masked."""
        shutil.rmtree(self._stage.logs, ignore_errors=True)
        try:
            self._make_pod()
            self._start_all()
            if not self._over.is_set():
                self._steps()
        except _Failed:
            pass
        finally:
            if any(case.mistakes for case in self._cases):
                with contextlib.suppress(Interrupted):
                    self._keep_logs()
            self._pod.remove()
        return [self._values.masked_case(case) for case in self._cases]

    def _make_pod(self) -> None:
        try:
            self._pod.make()
        except NotStarted as problem:
            message = f"the pod cannot be created: {problem}"
            self._fail("pod", Diagnostic(self._scenario.spot, Code.NO_CONTAINER, message))

    # ── containers ──────────────────────────────────────────────────────────────────────────────────────────

    def _start_all(self) -> None:
        threads = [
            threading.Thread(target=self._bring_up, args=(item,), daemon=True)
            for item in self._scenario.containers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for problem in self._problems:
            raise problem

    def _bring_up(self, item: Container) -> None:
        try:
            for other in item.after:
                while not self._ready[other].wait(0.2):
                    if self._over.is_set():
                        return
                    self._watch_clock()
            self._start(item)
            self._ready[item.name].set()
        except _Failed:
            pass
        except BaseException as problem:  # noqa: BLE001 - _start_all raises it
            self._problems.append(problem)
            self._over.set()

    def _start(self, item: Container) -> None:
        common = self._pod.options(item)
        image = self._stage.ids[item.image]
        for number, command in enumerate(item.first):
            self._stop_if_over()
            name = self._podman.name("scenario", self._scenario.name, item.name, "first", str(number))
            filled = self._filled(command)
            done = run_once(self._podman, name, common, filled, image)
            self._notes[item.name] = self._notes.get(item.name, "") + f"$ {command.label}\n{done.output}\n"
            self._add(f"{item.name}: {command.label}", done.seconds, mistakes_of(filled, done), done.output)
        self._stop_if_over()
        name = self._podman.name("scenario", self._scenario.name, item.name)
        words = [*common, *_health_options(item)]
        if item.entrypoint is not None:
            words += ["--entrypoint", json.dumps(self._values.texts(item.entrypoint))]
        words += [image, *self._values.texts(item.cmd or ())]
        try:
            running = start(self._podman, name, words)
        except NotStarted as problem:
            message = f"the container {item.name} cannot be started: {problem}"
            self._fail(item.name, Diagnostic(place(item.spots, "container"), Code.NO_CONTAINER, message))
        self._running[item.name] = running
        self._wait_until_healthy(item, running)
        for command in item.then:
            self._stop_if_over()
            filled = self._filled(command)
            done = running.run(filled)
            self._add(f"{item.name}: {command.label}", done.seconds, mistakes_of(filled, done), done.output)

    def _wait_until_healthy(self, item: Container, running: Running) -> None:
        began, since = time.monotonic(), self._podman.pace.now()
        spot = place(item.spots, "within", "container")
        while True:
            health = running.health()
            self._refuse_dead({item.name: running})
            took = time.monotonic() - began
            if health.state != "unhealthy":
                self._add(f"{item.name} is ready", took, ())
                return
            if self._podman.pace.now() - since > item.within:
                mistakes = list(of_health(health, f"the container {item.name}", item.within, spot))
                self._add(f"{item.name} is ready", took, mistakes, running.log())
            self._stop_if_over()
            self._watch_clock()
            self._podman.pause(POLL)

    def _stop_if_over(self) -> None:
        if self._over.is_set():
            raise _Failed

    def _refuse_dead(self, running: Mapping[str, Running]) -> None:
        for name, container in running.items():
            if not container.lives():
                message = f"the container {name} {container.ending()}"
                spot = place(self._items[name].spots, "container")
                self._fail(name, Diagnostic(spot, Code.SERVICE_ENDED, message), container.log())

    # ── steps and checks ────────────────────────────────────────────────────────────────────────────────────

    def _steps(self) -> None:
        for step in self._scenario.steps:
            self._take(step)
            self._refuse_dead(self._running)
        for check in self._scenario.checks:
            try:
                self._take(check)
            except _Failed:
                if self._late():
                    return
        self._refuse_dead(self._running)

    def _take(self, step: ScenarioStep) -> None:
        began, since = time.monotonic(), self._podman.pace.now()
        tries = 0
        while True:
            output, mistakes = self._act(step)
            tries += 1
            if not mistakes:
                break
            self._refuse_dead(self._running)
            if late := self._late():
                mistakes = [*mistakes, late]
            if late or self._podman.pace.now() - since >= step.retry:
                break
            self._podman.pause(POLL)
        for name, pattern in () if mistakes else step.capture.items():
            found = re.search(self._values.pattern(pattern), output, re.MULTILINE)
            if found is None:
                message = f"nothing in the output of `{step.action.label}` matches '{pattern}'"
                mistakes = [
                    *mistakes,
                    Diagnostic(place(step.spots, f"capture.{name}"), Code.NO_CAPTURE, message),
                ]
            else:
                self._values.capture(name, found[found.re.groups and 1] or "")
        self._add(step.label, time.monotonic() - began, mistakes, output, tries=tries if step.retry else 0)

    def _act(self, step: ScenarioStep) -> tuple[str, Sequence[Diagnostic]]:
        """Try a step once: its output, and what is wrong."""
        if isinstance(step.action, Exec):
            filled = self._filled(step.action)
            done = self._running[step.container].run(filled)
            return done.output, mistakes_of(filled, done)
        process = next(iter(self._running.values())).process
        return answer_to(process, self._values.http(step.action))

    # ── results ─────────────────────────────────────────────────────────────────────────────────────────────

    def _filled(self, command: Exec) -> Exec:
        return self._values.run(command, max(1.0, self._deadline - self._podman.pace.now()))

    def _watch_clock(self) -> None:
        """End the scenario when its time is over; only one thread records that."""
        if late := self._late():
            if self._late_recorded.is_set():
                raise _Failed
            self._late_recorded.set()
            self._fail("time", late)

    def _late(self) -> Diagnostic | None:
        if self._podman.pace.now() < self._deadline:
            return None
        message = f"the scenario {self._scenario.name} took longer than {seconds(self._scenario.timeout)}"
        return Diagnostic(self._scenario.spot, Code.TIME_LIMIT, message)

    def _add(
        self, name: str, took: float, mistakes: Sequence[Diagnostic], output: str = "", *, tries: int = 0
    ) -> None:
        """Record a case.

        Raises:
            _Failed: it has mistakes.
        """
        self._cases.append(Case(name, took, tuple(mistakes), output, tries))
        if mistakes:
            self._over.set()
            raise _Failed

    def _fail(self, name: str, mistake: Diagnostic, output: str = "") -> NoReturn:
        self._add(name, 0.0, [mistake], output)
        raise AssertionError  # a case with a mistake raises

    def _keep_logs(self) -> None:
        self._stage.logs.mkdir(parents=True, exist_ok=True)
        texts = dict(self._notes)
        for name, running in self._running.items():
            texts[name] = texts.get(name, "") + running.log()
        texts["steps"] = "".join(f"$ {case.name}\n{case.output}\n" for case in self._cases)
        for name, text in texts.items():
            (self._stage.logs / f"{name}.log").write_text(self._values.masked(text), "utf-8")


class _Pod:
    """A pod without a network, and a directory with the files and volumes that its containers mount."""

    def __init__(self, scenario: Scenario, podman: Podman, values: Values, scratch: Path) -> None:
        self._scenario = scenario
        self._podman = podman
        self._values = values
        self._scratch = scratch
        self._name = podman.name("scenario", scenario.name)

    def make(self) -> None:
        """Create and start it.

        Raises:
            NotStarted: podman failed.
        """
        self._write_files()
        words = ("--name", self._name, "--hostname", self._scenario.name, "--network", "none")
        done = self._podman.call("pod", "create", *words)
        if not done.status:
            done = self._podman.call("pod", "start", self._name)
        if done.status:
            raise NotStarted(done.complaint)

    def remove(self) -> None:
        """Remove it with all its containers, files and volumes."""
        self._podman.remove(pods=[self._name])
        shutil.rmtree(self._scratch, ignore_errors=True)

    def options(self, item: Container) -> Sequence[str]:
        """The options of a container and of its `first` commands."""
        # podman ignores --add-host of a pod without a network, and would copy the host's own file.
        words = ["--pod", self._name, "--volume", f"{self._scratch}/hosts:/etc/hosts:ro"]
        words += environment_options(self._values.map(item.env))
        for path, what in item.mounts.items():
            volume = what in self._scenario.volumes
            source = self._scratch / ("volumes" if volume else "files") / what
            words += ["--volume", f"{source}:{path}:{'U' if volume else 'ro'}"]
        if item.user:
            words += ["--user", self._values.text(item.user)]
        return words

    def _write_files(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        # Only this user may enter: the files hold secrets.
        self._scratch.mkdir(parents=True, mode=0o700)
        for name, text in self._scenario.files.items():
            self._put(f"files/{name}", self._values.text(text))
        names = dict.fromkeys((self._scenario.name, *(item.name for item in self._scenario.containers)))
        self._put("hosts", f"127.0.0.1 localhost {' '.join(names)}\n")
        for name in self._scenario.volumes:
            (self._scratch / "volumes" / name).mkdir(parents=True)

    def _put(self, name: str, text: str) -> None:
        """Write a file that every user of a container can read, whatever our umask."""
        path = self._scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o644)
        for folder in path.relative_to(self._scratch).parents[:-1]:
            (self._scratch / folder).chmod(0o755)


def _health_options(item: Container) -> Sequence[str]:
    """Options that replace the image's health check."""
    if not item.healthcheck:
        return ()
    # podman takes a JSON list as argv, but a list with CMD first is split at spaces: leave CMD out.
    kind, *command = item.healthcheck
    return ("--health-cmd", json.dumps(command if kind == "CMD" else item.healthcheck))
