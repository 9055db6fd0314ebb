"""Small sets built for real, on a busybox base in a container store of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from buildsys.image import Image
from buildsys.plan.compile import compile_plan
from buildsys.plan.write import write_plan
from buildsys.standins.tools import find_busybox
from tests.plan.sets import BUSYBOX, image_set
from tests.stores import Store

APPLETS = "sh cat chmod chown cp find grep ln mkdir mv rm sed touch".split()
KEYS = "localhost/buildsys-key/tiny/"
OURS = ("BS_", "MAKE", "MFLAGS", "JOBS", "LAUNCH")

Done = subprocess.CompletedProcess[str]


def put_base(store: Store, scratch: Path, name: str = BUSYBOX) -> None:
    """Put the base image into a store: a busybox and links to it."""
    (scratch / "bin").mkdir(parents=True)
    shutil.copy(find_busybox(), scratch / "bin/busybox")
    for applet in APPLETS:
        (scratch / "bin" / applet).symlink_to("busybox")
    for folder in ("dev", "proc", "sys", "tmp", "etc"):
        (scratch / folder).mkdir()
    store.buildah("from", "--name", "base", "scratch")
    store.buildah("copy", "--quiet", "base", str(scratch), "/")
    store.buildah("commit", "--quiet", "--rm", "base", name)


@dataclass(frozen=True)
class Ground:
    """A store with a base image, and a plan directory beside it."""

    store: Store
    plan: Path

    def compile(self, images: Iterable[Image]) -> None:
        """Write the plan of these images."""
        made = image_set(self.plan.parent / "set", images)
        write_plan(compile_plan(made), self.plan)

    def build(self, images: Iterable[Image]) -> None:
        """Write the plan of these images and build all that is stale."""
        self.compile(images)
        done = self.call("run.sh")
        assert done.returncode == 0, done.stderr

    def call(self, program: str, *words: str, **environment: str) -> Done:
        """Run a program of the plan on the store."""
        return subprocess.run(
            ["bash", str(self.plan / "lib" / program), *words],
            env=self.environment(**environment),
            check=False,
            capture_output=True,
            text=True,
        )

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of such a run: ours, without what would change it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {**kept, "BS_STORE": self.store.options, "BS_SPACE_MIB": "1", **more}

    def ids(self) -> set[str]:
        """Ids of all images of the store, those without a name too."""
        return set(self.store.buildah("images", "--all", "--no-trunc", "--quiet").split())

    def built_keys(self) -> dict[str, str]:
        """Id of each image that has a key, by `NAME:KEY`."""
        names = self.store.names().items()
        return {name.removeprefix(KEYS): identity for name, identity in names if name.startswith(KEYS)}

    def key(self, image: str) -> str:
        """The name of the key an image was built under."""
        result = json.loads((self.plan / f"results/{image}.json").read_text())
        return f"{KEYS}{image}:{result['key']}"

    def plan_id(self) -> str:
        """The plan's part of the names of its working containers."""
        return (self.plan / "state/id").read_text().split()[0]

    def containers(self) -> list[str]:
        """Names of all working containers of the store."""
        rows = self.store.buildah(
            "containers", "--noheading", "--notruncate", "--format", "{{.ContainerName}}"
        )
        return [row.strip() for row in rows.splitlines()]
