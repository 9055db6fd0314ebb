"""The ground of a scenario: its pod, its files and volumes, and what each container is started with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from buildsys.testing.container import NotStarted
from buildsys.testing.podman import Podman, environment_words
from buildsys.testing.spec import Container, Scenario
from buildsys.testing.values import Values


class Pod:
    """A pod without a network, and a directory for what its containers mount."""

    def __init__(self, scenario: Scenario, podman: Podman, values: Values, scratch: Path) -> None:
        self._scenario = scenario
        self._podman = podman
        self._values = values
        self._scratch = scratch
        self._name = podman.name("scenario", scenario.name)

    def make(self) -> None:
        """Make it, from nothing.

        Raises:
            NotStarted: podman could not.
        """
        self._lay_out()
        words = ("--name", self._name, "--hostname", self._scenario.name, "--network", "none")
        said = self._podman.call("pod", "create", *words)
        if not said.status:
            said = self._podman.call("pod", "start", self._name)
        if said.status:
            raise NotStarted(said.complaint)

    def remove(self) -> None:
        """Remove it with all its containers, and what they mounted."""
        self._podman.remove(pods=[self._name])
        shutil.rmtree(self._scratch, ignore_errors=True)

    def options(self, item: Container) -> Sequence[str]:
        """What a container is started with, and each that runs before it."""
        # podman puts what it knows of this host into a file of its own, and not what a pod is told.
        words = ["--pod", self._name, "--volume", f"{self._scratch}/hosts:/etc/hosts:ro"]
        words += environment_words(self._values.map(item.env).items())
        for place, what in item.mounts.items():
            volume = what in self._scenario.volumes
            source = self._scratch / ("volumes" if volume else "files") / what
            words += ["--volume", f"{source}:{place}:{'U' if volume else 'ro'}"]
        if item.user:
            words += ["--user", self._values.text(item.user)]
        return words

    def _lay_out(self) -> None:
        """Files and volumes; the directory above them is nobody else's."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True, mode=0o700)
        for name, text in self._scenario.files.items():
            self._put(f"files/{name}", self._values.text(text))
        names = dict.fromkeys((self._scenario.name, *(item.name for item in self._scenario.containers)))
        self._put("hosts", f"127.0.0.1 localhost {' '.join(names)}\n")
        for name in self._scenario.volumes:
            (self._scratch / "volumes" / name).mkdir(parents=True)

    def _put(self, name: str, text: str) -> None:
        """A file that every user of a container may read, whatever our umask."""
        path = self._scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o644)
        for folder in path.relative_to(self._scratch).parents[:-1]:
            (self._scratch / folder).chmod(0o755)


def health_words(item: Container) -> Sequence[str]:
    """What replaces the image's health check."""
    if not item.healthcheck:
        return ()
    # A list is a command and its arguments to podman, unless it begins with CMD: then it is parted at spaces.
    kind, *command = item.healthcheck
    return ("--health-cmd", json.dumps(command if kind == "CMD" else item.healthcheck))
