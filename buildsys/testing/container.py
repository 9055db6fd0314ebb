"""A container of a test or a scenario: start it, observe it, run commands in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Code, Diagnostic
from buildsys.testing import http
from buildsys.testing.podman import Done, Podman, environment_options
from buildsys.testing.spec import Exec, Http, Port, place
from buildsys.testing.verdicts import Health, of_answer, of_run, seconds

LONGEST_CHECK = 60.0
"""Limit in seconds for a health check, whatever limit the image sets."""
ANSWER = 10.0
"""Limit in seconds for one answer of a server, and for one connection to a port."""
NO_HEALTH_CHECK = 125
"""Exit status of `podman healthcheck run` for a container without a health check."""
ALONE = ("--pull", "never", "--http-proxy=false", "--security-opt", "label=disable")
"""Options of every container: nothing is pulled, and no proxy variable of the host is set in it."""
LOGGED = ("--log-driver", "k8s-file", "--log-opt", "max-size=20m")


class NotStarted(Exception):  # noqa: N818 - reads as what happened
    """podman could not start a container or a pod; carries its error message."""


@dataclass(frozen=True, slots=True)
class Running:
    """A container that was started."""

    podman: Podman
    name: str
    process: int
    """Process id of its first process, on the host."""

    def lives(self) -> bool:
        """Whether it still runs."""
        return Path(f"/proc/{self.process}").exists()

    def ending(self) -> str:
        """How it ended, as the rest of a sentence."""
        state = self._state()
        code = state.get("ExitCode", "?")
        return "was killed: out of memory" if state.get("OOMKilled") else f"ended with status {code}"

    def health(self) -> Health:
        """Run its health check once."""
        done = self.podman.call("healthcheck", "run", self.name, timeout=LONGEST_CHECK)
        if done.timed_out:
            return Health("unhealthy", f"it took longer than {LONGEST_CHECK:.0f}s")
        if done.status == NO_HEALTH_CHECK and "no defined healthcheck" in done.err:
            return Health("unchecked")
        return Health("unhealthy", self._last_check()) if done.status else Health("healthy")

    def run(self, command: Exec) -> Done:
        """Run a command in it. After the time limit the command continues there until the container ends."""
        user = ("--user", command.user) if command.user else ()
        words = ("exec", *user, *environment_options(command.env), self.name, *command.argv)
        return self.podman.call(*words, timeout=command.timeout)

    def log(self) -> str:
        """Everything it wrote."""
        return self.podman.call("logs", self.name).output

    def _state(self) -> dict[str, Any]:
        done = self.podman.call("inspect", "--format", "{{json .State}}", self.name)
        try:
            state = json.loads(done.out)
        except ValueError:
            return {}
        return state if isinstance(state, dict) else {}

    def _last_check(self) -> str:
        state = self._state()
        # The key's name depends on the version of podman.
        log = (state.get("Healthcheck") or state.get("Health") or {}).get("Log") or [{}]
        return str(log[-1].get("Output", "")).strip()


def start(podman: Podman, name: str, words: Sequence[str]) -> Running:
    """Start a container; `words` are its options, its image and its command.

    Raises:
        NotStarted: podman failed.
    """
    done = podman.call("run", "--detach", "--name", name, *ALONE, *LOGGED, *words)
    if done.status or done.timed_out:
        raise NotStarted(done.complaint)
    process = podman.call("inspect", "--format", "{{.State.Pid}}", name).out.strip()
    return Running(podman, name, int(process) if process.isdigit() else 0)


def run_once(podman: Podman, name: str, words: Sequence[str], command: Exec, image: str) -> Done:
    """Run a command in its own container, and remove the container; `words` are options of the container."""
    user = ("--user", command.user) if command.user else ()
    # podman enforces a limit itself, because a killed run cannot end the container.
    limit = ("--timeout", str(int(podman.pace.longest(command.timeout)) + 60))
    own = ("--rm", "--name", name, "--no-healthcheck", "--log-driver", "none", *limit)
    env = environment_options(command.env)
    entry = ("--entrypoint", json.dumps(command.argv))
    done = podman.call("run", *own, *ALONE, *words, *user, *env, *entry, image, timeout=command.timeout)
    if done.timed_out:
        podman.remove([name])
    return done


def mistakes_of(command: Exec, done: Done) -> tuple[Diagnostic, ...]:
    """Judge a command that was run."""
    return tuple(of_run(command, done))


def not_listening(running: Running, port: Port, what: str, limit: float) -> list[Diagnostic]:
    """Judge a port of the service `what` now; `limit` (seconds) is only for the message."""
    if http.listens(running.process, port.number, ANSWER):
        return []
    message = f"nothing listens on port {port.number} of {what} within {seconds(limit)}"
    return [Diagnostic(port.spot, Code.NO_LISTENER, message)]


def answer_to(process: int, request: Http) -> tuple[str, list[Diagnostic]]:
    """Send a request in the network of a process: the body of the answer, and what is wrong with it."""
    try:
        answer = http.ask(process, request, ANSWER)
    except OSError as error:
        message = f"{request.label} is not answered: {error.strerror or error}"
        return "", [Diagnostic(place(request.spots, "http"), Code.NO_ANSWER, message)]
    return answer.body, list(of_answer(request, answer))
