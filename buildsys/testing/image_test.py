"""Try one image: what it holds, commands in it, its service; each in a container that is gone afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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
from buildsys.testing.expected import Http, ImageTest, Service
from buildsys.testing.podman import PATIENCE, Podman, environment_words
from buildsys.testing.result import Case

ALONE = ("--network", "none")
SETTLED = 2.0
"""Seconds after which a service of which nothing is asked is taken to serve."""


def test_image(test: ImageTest, identity: str, podman: Podman) -> list[Case]:
    """All that is tried of the image with this id.

    Raises:
        Interrupted: the run is to end.
    """
    return list(_cases(test, identity, podman))


def _cases(test: ImageTest, identity: str, podman: Podman) -> Iterator[Case]:
    if test.user or test.size:
        began = time.monotonic()
        said = podman.call("image", "inspect", "--format", "{{.Size}} {{.Config.User}}", identity)
        size, _, user = said.out.strip().partition(" ")
        if test.user:
            yield _case("user", began, verdicts.of_user(test, user))
        if test.size:
            yield _case("size", began, verdicts.of_size(test, int(size or 0)))
    if test.setuid is not None:
        began = time.monotonic()
        yield _case("setuid", began, _setuid(test, identity, podman))
    for number, command in enumerate(test.runs):
        name = podman.name("test", test.image, str(number))
        said = run_once(podman, name, ALONE, command, identity)
        yield Case(command.words, said.seconds, mistakes_of(command, said), said.all)
    if test.service is not None:
        yield from _Asked(test.image, test.service, identity, podman).cases()


def _case(name: str, began: float, mistakes: Iterable[Diagnostic], output: str = "") -> Case:
    return Case(name, time.monotonic() - began, tuple(mistakes), output)


def _setuid(test: ImageTest, identity: str, podman: Podman) -> list[Diagnostic]:
    try:
        return list(verdicts.of_setuid(test, _changing_users(podman, identity)))
    except (OSError, programs.ToolFailed, programs.TimedOut) as problem:
        message = f"the files of the image {test.image} cannot be looked at: {problem}"
        return [Diagnostic(test.places.spot("setuid"), Code.NO_CONTAINER, message)]


def _changing_users(podman: Podman, identity: str) -> list[str]:
    """Files of an image with the set-user-ID or set-group-ID bit."""
    with podman.mounted(identity) as root:
        # No link is followed, no other file system entered.
        argv = ["find", "-P", root, "-xdev", "-type", "f", "-perm", "/6000", "-printf", "/%P\\0"]
        found = programs.run(argv, check=True, timeout=PATIENCE).out
    return sorted(found.rstrip("\0").split("\0")) if found else []


@dataclass(slots=True)
class _Asked:
    """A service that is asked until everything is as it should be, or the time is over."""

    image: str
    service: Service
    identity: str
    podman: Podman
    began: float = field(default_factory=time.monotonic)
    begun: float = 0.0
    """The same by the clock that limits are counted by."""

    def cases(self) -> Iterator[Case]:
        """What was asked, and what the service said meanwhile."""
        name = self.podman.name("test", self.image, "service")
        env = environment_words(self.service.env.items())
        try:
            running = start(self.podman, name, (*ALONE, *env, self.identity, *(self.service.cmd or ())))
            yield from self._asked(running)
        except NotStarted as problem:
            message = f"the service of {self.image} cannot be started: {problem}"
            yield self._case("service", [Diagnostic(self.service.at, Code.NO_CONTAINER, message)])
        finally:
            self.podman.remove([name])

    def _asked(self, running: Running) -> Iterator[Case]:
        self.begun = self.podman.pace.now()
        waiting = self._questions(running)
        pause = 0.05
        while waiting:
            late = self._passed() > self.service.within
            for item in list(waiting):
                name, question = item
                mistakes = question()
                if not running.lives():
                    message = f"the service of {self.image} {running.ending()}"
                    ended = Diagnostic(self.service.at, Code.SERVICE_ENDED, message)
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
            said = running.run(command)
            yield Case(command.words, said.seconds, mistakes_of(command, said), said.all)

    def _questions(self, running: Running) -> list[tuple[str, Question]]:
        within, what = self.service.within, self.image
        questions: list[tuple[str, Question]] = []
        if self.service.healthy:
            questions.append(("healthy", partial(self._unhealthy, running)))
        questions += [
            (f"port {port.number}", partial(not_listening, running, port, what, within))
            for port in self.service.ports
        ]
        questions += [
            (request.words, partial(_answered, running, request)) for request in self.service.requests
        ]
        # A service of which nothing is asked must live, at least for a while.
        return questions or [("lives", self._too_early)]

    def _unhealthy(self, running: Running) -> Sequence[Diagnostic]:
        return list(verdicts.of_health(running.health(), self.image, self.service.within, self.service.at))

    def _too_early(self) -> Sequence[Diagnostic]:
        if self._passed() > min(SETTLED, self.service.within):
            return ()
        return [Diagnostic(self.service.at, Code.SERVICE_ENDED, f"{self.image} has only begun")]

    def _passed(self) -> float:
        return self.podman.pace.now() - self.begun

    def _case(self, name: str, mistakes: Iterable[Diagnostic], output: str = "") -> Case:
        return _case(name, self.began, mistakes, output)


Question = Callable[[], Sequence[Diagnostic]]


def _answered(running: Running, request: Http) -> Sequence[Diagnostic]:
    return answer_to(running.process, request)[1]
