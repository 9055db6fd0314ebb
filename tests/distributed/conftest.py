"""A client and two workers on one machine: a store each, a registry between them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from buildsys.image import CopyImage, Image, ImageSet, Run, Touch
from tests.plan.sets import BASE, image, image_set
from tests.publish.conftest import Running, serving
from tests.publish.test_refusals import certified
from tests.runtime.builds import Build, put_busybox
from tests.stores import Store, store

__all__ = ["certified"]

WORKERS = ("w1", "w2")
LAUNCHER = """\
#!/bin/bash
# Take the worker that is free, and run the command there: BEFORE can do it harm.
exec 8>"$PLACE/w1.lock" 9>"$PLACE/w2.lock"
while :; do
    flock -n 8 && { worker=w1; exec 9>&-; break; }
    flock -n 9 && { worker=w2; exec 8>&-; break; }
    sleep 0.02
done
export BS_WORKER=$worker BS_WORKER_DIR=$PLACE/$worker.d BS_PAUSE=0.05
export BS_WORKER_STORE="--root $PLACE/$worker/root --runroot $PLACE/$worker/run"
[[ ! -e $PLACE/settings ]] || . "$PLACE/settings"
[[ ! -x $PLACE/before ]] || exec "$PLACE/before" "$@"
exec "$@"
"""


def shell(text: str) -> Run:
    return Run(argv=("/bin/sh", "-ec", text), open_files=0)


def twelve() -> list[Image]:
    """A base, three below it, eight below these; one copies from a sibling's branch."""
    middle = [image(f"mid{i}", "base", shell(f"echo {i} >/mid{i}")) for i in range(3)]
    leaves = [
        image(f"leaf{i}", f"mid{i % 3}", shell(f"head -c 20000 /bin/busybox >/l{i}; echo {i} >>/l{i}"))
        for i in range(7)
    ]
    copying = image(
        "copying", "mid0", CopyImage(image="leaf1", source="/l1", to="/opt/l1", mode="", owner="")
    )
    return [image("base", BASE, Touch(paths=("/made",), mode="644")), *middle, *leaves, copying]


@dataclass(frozen=True)
class Cluster:
    """A client's plan and the machines that build it."""

    place: Path
    client: Build
    workers: dict[str, Store]
    registry: Running
    files: Path

    def compile(self, *images: Image) -> ImageSet:
        """Write the client's plan of these images, by default of twelve."""
        made = image_set(self.files, images or twelve())
        self.client.compile(made)
        return made

    def environment(self, **more: str) -> dict[str, str]:
        """What makes a run of the client's plan a distributed one."""
        return {
            "BS_REGISTRY": f"{self.registry.host}/work",
            "BS_ON": str(self.place / "launcher"),
            "BS_PAUSE": "0.05",
            "PLACE": str(self.place),
            **more,
        }

    def run(self, *goals: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the plan on the workers."""
        return self.client.run(*goals, **self.environment(**environment))

    def before(self, text: str) -> None:
        """What the launcher runs in place of the command: a shell script, which gets it as its words."""
        file = self.place / "before"
        file.write_text(f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)

    def built(self) -> dict[str, str]:
        """Image and worker of the client's results."""
        results = map(json.loads, (path.read_text() for path in (self.client.plan / "results").iterdir()))
        return {item["image"]: item.get("worker", "") for item in results if item["status"] == "built"}

    def manifests(self) -> list[str]:
        """Every request that put a manifest into the registry."""
        return [
            line for line in self.registry.requests() if line.startswith("PUT ") and "/manifests/" in line
        ]

    def blobs(self) -> list[str]:
        """Every upload of a blob that was ended."""
        return [line for line in self.registry.requests() if line.startswith("PUT ") and "/uploads/" in line]

    def left(self) -> dict[str, list[str]]:
        """What attempts left on the workers: containers, marks, scratch folders, mounts."""
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        found: dict[str, list[str]] = {}
        for name, at in self.workers.items():
            found[f"{name} containers"] = at.buildah("containers", "--all", "--quiet").split()
            found[f"{name} mounts"] = [item for item in mounts if item.startswith(f"{at.root}/overlay/")]
            states = [*(self.place / f"{name}.d").glob("plans/*/state/*")]
            found[f"{name} marks"] = [
                item.name for item in states if item.name.startswith(("working.", "scratch."))
            ]
        return {what: names for what, names in found.items() if names}


def make_cluster(place: Path, short: Path, stack: ExitStack, registry: Running) -> Cluster:
    """Stores with the base image in each, and the launcher."""
    stores = {}
    for name in ("client", *WORKERS):
        stores[name] = stack.enter_context(store(short / name))
        put_busybox(stores[name])
    (short / "launcher").write_text(LAUNCHER)
    (short / "launcher").chmod(0o755)
    files = place / "set"
    (files / "files").mkdir(parents=True)
    client = Build(place / "plan", stores.pop("client"))
    return Cluster(short, client, stores, registry, files)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Two workers, and a registry without TLS that is declared insecure."""
    conf = tmp_path / "registries.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    with ExitStack() as stack:
        short = Path(stack.enter_context(TemporaryDirectory(prefix="bs-")))
        registry = stack.enter_context(serving(tmp_path / "registry"))
        conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
        yield make_cluster(tmp_path, short, stack, registry)


@pytest.fixture
def local_ids(tmp_path: Path) -> Callable[[ImageSet], dict[str, str]]:
    """Build a set as usual, in a store of its own: the id of each image."""

    def build(made: ImageSet) -> dict[str, str]:
        with TemporaryDirectory(prefix="bs-") as short, store(Path(short) / "s") as at:
            put_busybox(at)
            alone = Build(tmp_path / "alone", at)
            alone.compile(made)
            alone.built()
            found = alone.identities()
            shutil.rmtree(alone.plan)
            return found

    return build


def running(words: str) -> list[str]:
    """Processes whose command line holds these words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line and int(folder.name) != os.getpid():
            found.append(line)
    return found
