"""Ground for sites whose packages no plan carries: a registry, a base, a key, all on the loopback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildsys.standins import build_repository
from tests.conftest import ROOT
from tests.sites.centos import centos
from tests.sites.loopback import registry
from tests.sites.packages import Key, stand_in_key
from tests.stores import Store, store

STAND_INS = ROOT / "recipes/stable-pike/standins"


@dataclass(frozen=True)
class Ground:
    """What stands in for the world outside."""

    place: Path
    store: Store
    registry: str
    base: str
    """Reference of the stand-in for centos:7 in the registry."""
    environment: Mapping[str, str]
    """What a build needs to reach it: plain HTTP for the registry."""
    stand_ins: Path
    key: Key
    """Signs the packages of CentOS itself."""

    def buildsys(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> Outcome:
        """Run the command."""
        return self._run((str(ROOT / ".venv/bin/buildsys"), *map(str, arguments)), environment)

    def make(self, plan: Path, *goals: str, environment: Mapping[str, str] | None = None) -> Outcome:
        """Run a written plan."""
        return self._run(("make", "--no-print-directory", "-C", str(plan), *goals), environment)

    def _run(self, command: tuple[str, ...], environment: Mapping[str, str] | None) -> Outcome:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**kept, **self.environment, "BS_PAUSE": "1", **(environment or {})},
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return Outcome(done.returncode, done.stdout)


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what it said."""

    status: int
    text: str


@contextmanager
def open_ground(place: Path) -> Iterator[Ground]:
    """Make it below a folder; the container store is removed at the end."""
    stand_ins = build_repository(STAND_INS / "packages.yaml", place / "stand-ins")
    key = stand_in_key(place / "key")
    with registry(place / "registry") as address, store(place / "store") as made:
        configuration = place / "registries.conf"
        configuration.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        base = f"{address}/library/centos:7"
        environment = {"CONTAINERS_REGISTRIES_CONF": str(configuration), "BS_STORE": made.options}
        ground = Ground(place, made, address, base, environment, stand_ins, key)
        push(ground, centos(made, stand_ins, key, place), base)
        yield ground


def push(ground: Ground, image: str, reference: str) -> None:
    """Move an image from the store to the registry: a build finds it only there."""
    command = ["buildah", *ground.store.options.split(), "push", "--quiet", "--disable-compression"]
    environment = {**os.environ, **ground.environment}
    subprocess.run([*command, image, f"docker://{reference}"], check=True, env=environment)
    ground.store.buildah("rmi", image)
