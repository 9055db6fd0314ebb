"""A container that runs: whether it lives and is healthy, what it says, commands in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Code, Diagnostic
from buildsys.testing import http
from buildsys.testing.podman import Podman, Said, environment_words
from buildsys.testing.spec import Http, Port, Run, place
from buildsys.testing.verdicts import Health, of_answer, of_run, seconds

LONGEST_CHECK = 60.0
"""Seconds a health check may take, whatever the image says."""
ANSWER = 10.0
"""Seconds a server has for one answer, and a port for one connection."""
NO_HEALTH_CHECK = 125
"""podman's status for a container that has none."""
ALONE = ("--pull", "never", "--http-proxy=false", "--security-opt", "label=disable")
"""What holds for every container: nothing is fetched for it, and no proxy of the host's enters it."""
LOGGED = ("--log-driver", "k8s-file", "--log-opt", "max-size=20m")


class NotStarted(Exception):  # noqa: N818 - reads as what happened
    """podman could not start a container; carries its complaint."""


@dataclass(frozen=True, slots=True)
class Running:
    """A container that was started."""

    podman: Podman
    name: str
    process: int
    """Number of its first process, as this host counts."""

    def lives(self) -> bool:
        """Whether it still runs."""
        return Path(f"/proc/{self.process}").exists()

    def ending(self) -> str:
        """How it ended, in words."""
        state = self._state()
        code = state.get("ExitCode", "?")
        return "was killed for want of memory" if state.get("OOMKilled") else f"ended with status {code}"

    def health(self) -> Health:
        """What its health check says now."""
        said = self.podman.call("healthcheck", "run", self.name, timeout=LONGEST_CHECK)
        if said.timed_out:
            return Health("unhealthy", f"it took longer than {LONGEST_CHECK:.0f}s")
        if said.status == NO_HEALTH_CHECK and "no defined healthcheck" in said.err:
            return Health("unchecked")
        return Health("unhealthy", self._last_check()) if said.status else Health("healthy")

    def run(self, command: Run) -> Said:
        """A command in it. What is not done in time goes on there, and ends with the container."""
        user = ("--user", command.user) if command.user else ()
        words = ("exec", *user, *environment_words(command.env.items()), self.name, *command.argv)
        return self.podman.call(*words, timeout=command.timeout)

    def log(self) -> str:
        """What it wrote."""
        return self.podman.call("logs", self.name).all

    def _state(self) -> dict[str, Any]:
        said = self.podman.call("inspect", "--format", "{{json .State}}", self.name)
        try:
            state = json.loads(said.out)
        except ValueError:
            return {}
        return state if isinstance(state, dict) else {}

    def _last_check(self) -> str:
        state = self._state()
        # podman has called it by either name.
        log = (state.get("Healthcheck") or state.get("Health") or {}).get("Log") or [{}]
        return str(log[-1].get("Output", "")).strip()


def start(podman: Podman, name: str, words: Sequence[str]) -> Running:
    """Start a container; `words` are its options, its image and its command.

    Raises:
        NotStarted: podman could not.
    """
    said = podman.call("run", "--detach", "--name", name, *ALONE, *LOGGED, *words)
    if said.status or said.timed_out:
        raise NotStarted(said.complaint)
    process = podman.call("inspect", "--format", "{{.State.Pid}}", name).out.strip()
    return Running(podman, name, int(process) if process.isdigit() else 0)


def run_once(podman: Podman, name: str, words: Sequence[str], command: Run, image: str) -> Said:
    """A command to its end, in a container of its own that is gone afterwards."""
    user = ("--user", command.user) if command.user else ()
    # podman's own limit is for runs that are killed: nobody would end the container then.
    limit = ("--timeout", str(int(podman.pace.longest(command.timeout)) + 60))
    own = ("--rm", "--name", name, "--no-healthcheck", "--log-driver", "none", *limit)
    env = environment_words(command.env.items())
    entry = ("--entrypoint", json.dumps(command.argv))
    said = podman.call("run", *own, *ALONE, *words, *user, *env, *entry, image, timeout=command.timeout)
    if said.timed_out:
        podman.remove([name])
    return said


def mistakes_of(command: Run, said: Said) -> tuple[Diagnostic, ...]:
    """What is wrong with what a command came to."""
    return tuple(of_run(command, said))


def not_listening(running: Running, port: Port, what: str, limit: float) -> list[Diagnostic]:
    """What is wrong with a port, now."""
    if http.listens(running.process, port.number, ANSWER):
        return []
    message = f"nothing listens at port {port.number} of {what} within {seconds(limit)}"
    return [Diagnostic(port.spot, Code.NO_LISTENER, message)]


def answer_to(process: int, request: Http) -> tuple[str, list[Diagnostic]]:
    """What a server answers now, and what is wrong with that."""
    try:
        answer = http.ask(process, request, ANSWER)
    except OSError as error:
        message = f"{request.label} is not answered: {error.strerror or error}"
        return "", [Diagnostic(place(request.spots, "http"), Code.NO_ANSWER, message)]
    return answer.body, list(of_answer(request, answer))
