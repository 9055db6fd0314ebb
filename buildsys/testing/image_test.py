"""The test of one image: its metadata and files, commands, its service; each in a container of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from buildsys import programs
from buildsys.diagnostics import Code, Diagnostic
from buildsys.testing import verdicts
from buildsys.testing.container import (
    NotStarted,
    Running,
    answer_to,
    mistakes_of,
    not_listening,
    run_once,
    start,
)
from buildsys.testing.podman import PATIENCE, Podman, environment_options
from buildsys.testing.result import Case
from buildsys.testing.spec import Http, ImageTest, Service, place

ALONE = ("--network", "none")
SETTLED = 2.0
"""Seconds that a service without requirements must run."""


def test_image(name: str, test: ImageTest, identity: str, podman: Podman) -> list[Case]:
    """Test the image of that name and id.

    Raises:
        Interrupted: the run is to end.
    """
    return list(_cases(name, test, identity, podman))


def _cases(name: str, test: ImageTest, identity: str, podman: Podman) -> Iterator[Case]:
    if test.user or test.size:
        began = time.monotonic()
        done = podman.call("image", "inspect", "--format", "{{.Size}} {{.Config.User}}", identity)
        size, _, user = done.out.strip().partition(" ")
        if test.user:
            yield _case("user", began, verdicts.of_user(name, test, user))
        if test.size:
            yield _case("size", began, verdicts.of_size(name, test, int(size or 0)))
    if test.setuid is not None:
        began = time.monotonic()
        yield _case("setuid", began, _setuid(name, test, identity, podman))
    for number, command in enumerate(test.runs):
        done = run_once(podman, podman.name("test", name, str(number)), ALONE, command, identity)
        yield Case(command.label, done.seconds, mistakes_of(command, done), done.output)
    if test.service is not None:
        yield from _ServiceTest(name, test.service, identity, podman).cases()


def _case(name: str, began: float, mistakes: Iterable[Diagnostic], output: str = "") -> Case:
    return Case(name, time.monotonic() - began, tuple(mistakes), output)


def _setuid(name: str, test: ImageTest, identity: str, podman: Podman) -> list[Diagnostic]:
    try:
        return list(verdicts.of_setuid(name, test, _setuid_files(podman, identity)))
    except (OSError, programs.ToolFailed, programs.TimedOut) as problem:
        message = f"the files of the image {name} cannot be read: {problem}"
        return [Diagnostic(place(test.spots, "setuid"), Code.NO_CONTAINER, message)]


def _setuid_files(podman: Podman, identity: str) -> list[str]:
    """Files of an image with the set-user-ID or set-group-ID bit: absolute paths, sorted."""
    with podman.mounted(identity) as root:
        # find follows no link and enters no other file system.
        argv = ["find", "-P", root, "-xdev", "-type", "f", "-perm", "/6000", "-printf", "/%P\\0"]
        found = programs.run(argv, check=True, timeout=PATIENCE).out
    return sorted(found.rstrip("\0").split("\0")) if found else []


Question = Callable[[], Sequence[Diagnostic]]
"""Checks one requirement now: what is wrong."""


@dataclass(slots=True)
class _ServiceTest:
    """A service that is checked until all requirements are met or its time is over."""

    image: str
    service: Service
    identity: str
    podman: Podman
    began: float = field(default_factory=time.monotonic)
    """Start of the test, by the wall clock."""
    served: float = 0.0
    """Start of the service, by the clock of limits."""
    tries: Counter[str] = field(default_factory=Counter)
    """How often each requirement was checked, by the name of its case."""
    answers: dict[str, str] = field(default_factory=dict)
    """The bodies of the last answers."""

    def cases(self) -> Iterator[Case]:
        """The cases, each as soon as it is decided; a failed one has the log of the service as its output."""
        name = self.podman.name("test", self.image, "service")
        env = environment_options(self.service.env)
        try:
            running = start(self.podman, name, (*ALONE, *env, self.identity, *(self.service.cmd or ())))
            yield from self._checked(running)
        except NotStarted as problem:
            message = f"the service of {self.image} cannot be started: {problem}"
            yield self._case("service", [Diagnostic(self.service.spot, Code.NO_CONTAINER, message)])
        finally:
            self.podman.remove([name])

    def _checked(self, running: Running) -> Iterator[Case]:
        self.served = self.podman.pace.now()
        waiting = self._questions(running)
        pause = 0.05
        while waiting:
            late = self._passed() > self.service.within
            for item in list(waiting):
                name, question = item
                mistakes = question()
                self.tries[name] += 1
                if not running.lives():
                    message = f"the service of {self.image} {running.ending()}"
                    ended = Diagnostic(self.service.spot, Code.SERVICE_ENDED, message)
                    yield self._case("service", [ended], running.log())
                    return
                if late or not mistakes:
                    yield self._case(name, mistakes, running.log() if mistakes else "")
                if not mistakes:
                    waiting.remove(item)
            if late and waiting:
                return
            self.podman.pause(pause)
            pause = min(1.0, pause * 2)
        for command in self.service.runs:
            done = running.run(command)
            yield Case(command.label, done.seconds, mistakes_of(command, done), done.output)

    def _questions(self, running: Running) -> list[tuple[str, Question]]:
        """The requirements: (name of the case, question)."""
        within, what = self.service.within, self.image
        questions: list[tuple[str, Question]] = []
        if self.service.healthy:
            questions.append(("healthy", partial(self._unhealthy, running)))
        questions += [
            (f"port {port.number}", partial(not_listening, running, port, what, within))
            for port in self.service.ports
        ]
        questions += [
            (request.label, partial(self._unanswered, running, request)) for request in self.service.requests
        ]
        return questions or [("lives", self._too_early)]

    def _unhealthy(self, running: Running) -> Sequence[Diagnostic]:
        spot, within = self.service.spot, self.service.within
        return list(verdicts.of_health(running.health(), self.image, within, spot))

    def _too_early(self) -> Sequence[Diagnostic]:
        if self._passed() > min(SETTLED, self.service.within):
            return ()
        return [Diagnostic(self.service.spot, Code.SERVICE_ENDED, f"{self.image} has only just started")]

    def _passed(self) -> float:
        return self.podman.pace.now() - self.served

    def _case(self, name: str, mistakes: Iterable[Diagnostic], output: str = "") -> Case:
        case = _case(name, self.began, mistakes, output)
        answer = self.answers.get(name, "") if case.mistakes else ""
        return replace(case, tries=self.tries[name], answer=answer)

    def _unanswered(self, running: Running, request: Http) -> Sequence[Diagnostic]:
        self.answers[request.label], mistakes = answer_to(running.process, request)
        return mistakes
