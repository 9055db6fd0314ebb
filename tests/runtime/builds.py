"""Plans run on real container stores, from a base of busybox."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from buildsys.image import ImageSet
from buildsys.plan.compile import compile_plan
from buildsys.plan.write import write_plan
from tests.plan.sets import BUSYBOX, EPOCH
from tests.runtime.faked import OURS
from tests.stores import Store


@dataclass(frozen=True)
class Build:
    """A plan directory and the store it builds in."""

    plan: Path
    store: Store

    def compile(self, image_set: ImageSet) -> None:
        """Write the plan of this set."""
        write_plan(compile_plan(image_set), self.plan)

    def environment(self, **more: str) -> dict[str, str]:
        """What a run sees: nothing of the run of these tests."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {**kept, "BS_STORE": self.store.options, "BS_SPACE_MIB": "100", **more}

    def run(self, *goals: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the plan by make."""
        return subprocess.run(
            ["make", "--no-print-directory", "-C", str(self.plan), *goals],
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def built(self, *goals: str, **environment: str) -> dict[str, str]:
        """Run the plan, which must succeed; the images that were built, each with its reason."""
        done = self.run(*goals, **environment)
        assert done.returncode == 0, done.stderr
        events = map(json.loads, (self.plan / "events.jsonl").read_text().splitlines())
        return {event["image"]: event["reason"] for event in events if event["event"] == "built"}

    def identities(self) -> dict[str, str]:
        """Id of each image, from its result."""
        results = map(json.loads, (path.read_text() for path in (self.plan / "results").iterdir()))
        return {result["image"]: result["image_id"] for result in results}

    def inspect(self, name: str) -> dict[str, Any]:
        """What buildah says of an image, its configuration and manifest parsed."""
        found: dict[str, Any] = json.loads(self.store.buildah("inspect", "--type", "image", name))
        return {**found, "Manifest": json.loads(found["Manifest"]), "Config": json.loads(found["Config"])}

    @contextmanager
    def mounted(self, name: str) -> Iterator[Path]:
        """The file tree of an image; links in it that are absolute lead out of it."""
        container = self.store.buildah("from", "--pull-never", name).strip()
        try:
            yield Path(self.store.buildah("mount", container).strip())
        finally:
            self.store.buildah("rm", container)

    def left(self) -> dict[str, list[str]]:
        """What should not be there after a run: working containers, unnamed images, marks, mounts."""
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        listed = self.store.buildah("images", "--all", "--format", "{{.ID}} {{.Name}}").splitlines()
        return {
            "containers": self.store.buildah("containers", "--quiet").split(),
            "unnamed": [row for row in listed if row.endswith("<none>")],
            "marks": [path.name for path in (self.plan / "state").glob("working.*")],
            "scratch": [path.name for path in (self.plan / "state").glob("scratch.*")],
            "mounts": [mount for mount in mounts if mount.startswith(f"{self.store.root}/overlay/")],
        }


LEFT = ("containers", "unnamed", "marks", "scratch", "mounts")
NOTHING_LEFT: Mapping[str, list[str]] = {kind: [] for kind in LEFT}


@dataclass(frozen=True)
class VfsStore(Store):
    """A store whose driver knows no layers."""

    @property
    def options(self) -> str:
        """Options of buildah and of a plan's BS_STORE that choose it."""
        return f"--storage-driver vfs {super().options}"


def put_busybox(store: Store, time: int = EPOCH + 86400) -> None:
    """Put the base image into a store: busybox, and the accounts every image has, made at that time."""
    container = store.buildah("from", "scratch").strip()
    root = Path(store.buildah("mount", container).strip())
    for name in ("bin", "etc", "root", "tmp"):
        (root / name).mkdir()
    program = shutil.which("busybox")
    assert program, "the tests need busybox, linked statically"
    shutil.copy(program, root / "bin/busybox")
    applets = subprocess.run([program, "--list"], text=True, capture_output=True, check=True).stdout.split()
    for name in applets:
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    (root / "var/cache/yum").mkdir(parents=True)
    (root / "var/cache/yum/old").write_text("")
    (root / "var/log").mkdir()
    (root / "var/log/yum.log").write_text("")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    for path in (root, *root.rglob("*")):
        os.utime(path, (time, time), follow_symlinks=False)
    # Equal in every store, so that what is made from it can be: the time goes into the configuration.
    store.buildah("commit", "--quiet", "--timestamp", str(time), "--rm", container, BUSYBOX)


def renamed(image_set: ImageSet, **names: str) -> ImageSet:
    """The same set under another registry, namespace, prefix or tag."""
    images = {
        name: replace(item, reference=replace(item.reference, **names))
        for name, item in image_set.images.items()
    }
    return replace(image_set, images=images)
