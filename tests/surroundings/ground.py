"""A small set of recipes, built by the command in surroundings that a test chooses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.busybox import OURS
from tests.plan.sets import BUSYBOX
from tests.runtime.builds import put_busybox
from tests.stores import Store

SET = {
    "set.yaml": "set: small\nnamespace: tests\ntag: latest\nepoch: 1517443200\n",
    "sites/disk.yaml": f"site: disk\ninstaller: dnf\nbase: {{image: {BUSYBOX}}}\n",
    "images/base.yaml": (
        "image: base\nfrom: site\nsteps:\n"
        "  - {copy: grün.txt, to: /etc/grün.txt}\n"
        "  - {mkdir: /srv/x, mode: '2750'}\n"
        "  - run: [sh, -c, 'env | sort >/seen.environment; umask >/seen.umask; date +%Z >/seen.zone']\n"
        "  - run: [sh, -c, 'ls /proc/self/fd | wc -l >/seen.descriptors']\n"
    ),
    "images/left.yaml": "image: left\nfrom: base\nsteps:\n  - {touch: /left}\n",
    "files/grün.txt": "grün\n",
}
CONTAINERFILE = {
    "images/given.yaml": "image: given\ncontainerfile: ../containerfiles/given/Containerfile\n",
    "containerfiles/given/Containerfile": "FROM base\nCOPY über.txt /\nRUN echo made >/made\n",
    "containerfiles/given/über.txt": "über\n",
}

Done = subprocess.CompletedProcess[bytes]


@dataclass(frozen=True)
class Scene:
    """Where a build runs, and what surrounds it."""

    place: Path
    """A folder of the test's own; the set, the plan and the store lie below it unless they are elsewhere."""
    base: Path
    """The base image, as a directory for skopeo."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """All that a run sees of an environment, except BS_STORE and what `wrapper` adds."""
    wrapper: Sequence[str] = ()
    """A command that runs the command it is given."""
    build: Path | None = None
    """The build directory; None: one below `place`."""
    store: Store | None = None
    """The container store; None: one below `place`."""
    options: str | None = None
    """The value of BS_STORE; None: the store's."""
    containerfile: bool = True
    """Whether one image of the set has a Containerfile."""
    more: Mapping[str, str] = field(default_factory=dict)
    """More files of the set."""

    def but(self, **changes: Any) -> Scene:
        """The same with something else."""
        return replace(self, **changes)

    def adding(self, **variables: str) -> Scene:
        """The same with more variables in its environment."""
        return self.but(environment={**self.environment, **variables})

    def within(self, *wrapper: str) -> Scene:
        """The same, run by a command."""
        return self.but(wrapper=wrapper)

    @property
    def build_directory(self) -> Path:
        return self.build or self.place / "build"

    @property
    def recipes(self) -> Path:
        return self.build_directory.parent / "recipes/small"

    @property
    def plan(self) -> Path:
        return self.build_directory / "small"

    @property
    def used_store(self) -> Store:
        return self.store or Store(self.place / "store")

    def prepare(self) -> None:
        """Write the set, and put the base image into the store."""
        for name, text in {**SET, **(CONTAINERFILE if self.containerfile else {}), **self.more}.items():
            path = self.recipes / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        self.used_store.place.mkdir(parents=True, exist_ok=True)
        put_base(self.used_store, self.base)

    def command(self, *words: str) -> Done:
        """Run a verb of the command, in the folder below which the build directory lies."""
        return self.call(sys.executable, "-m", "buildsys", *words)

    def built(self) -> Done:
        """Build the set by the command."""
        return self.command("build", str(self.recipes), "--build-dir", str(self.build_directory))

    def planned(self) -> Done:
        """Write the plan."""
        return self.command("plan", str(self.recipes), "--build-dir", str(self.build_directory))

    def doctored(self) -> Done:
        """Look at what building needs."""
        return self.command("doctor", str(self.recipes))

    def made(self) -> Done:
        """Run the written plan."""
        return self.call("bash", str(self.plan / "lib/run.sh"))

    def call(self, *words: str) -> Done:
        """Run something in these surroundings."""
        options = self.used_store.options if self.options is None else self.options
        environment = {**self.environment, **({"BS_STORE": options} if options else {})}
        return subprocess.run(
            [*self.wrapper, *words],
            cwd=self.build_directory.parent,
            env={"BS_SPACE_MIB": "1", **environment},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )

    def ids(self) -> dict[str, str]:
        """Id of each image, from its result."""
        found = (json.loads(path.read_text("utf-8")) for path in (self.plan / "results").glob("*.json"))
        return {result["image"]: result["image_id"] for result in found}


def plain() -> dict[str, str]:
    """The environment of the tests without what would change a run."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def save_base(store: Store, to: Path) -> None:
    """Make the base image in a store, and save it as a directory."""
    put_busybox(store)
    _skopeo(_name(store), f"dir:{to}")


def put_base(store: Store, base: Path) -> None:
    """Put the saved base image into a store."""
    _skopeo(f"dir:{base}", _name(store))


def _name(store: Store) -> str:
    driver = getattr(store, "driver", "overlay")
    return f"containers-storage:[{driver}@{store.root}+{store.runroot}]{BUSYBOX}"


def _skopeo(source: str, to: str) -> None:
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", source, to]
    subprocess.run(command, check=True, capture_output=True)
