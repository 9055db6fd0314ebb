"""Stores that the user's own reads from: what is only there is built from, and nothing is written there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.plan.sets import BUSYBOX
from tests.stores import Store, store
from tests.surroundings.ground import CONTAINERFILE, Scene, plain, save_base

pytestmark = pytest.mark.real

MORE = {
    "images/direct.yaml": "image: direct\ncontainerfile: ../containerfiles/direct/Containerfile\n",
    "containerfiles/direct/Containerfile": f"FROM {BUSYBOX}\nRUN echo made >/made\n",
    "images/copied.yaml": "image: copied\ncontainerfile: ../containerfiles/copied/Containerfile\n",
    "containerfiles/copied/Containerfile": f"FROM base\nCOPY --from={BUSYBOX} /bin/busybox /copied\n",
    "images/bound.yaml": "image: bound\ncontainerfile: ../containerfiles/bound/Containerfile\n",
    "containerfiles/bound/Containerfile": (
        f"FROM base\nRUN --mount=type=bind,from={BUSYBOX},target=/mnt cp /mnt/bin/busybox /bound\n"
    ),
    "images/staged.yaml": "image: staged\ncontainerfile: ../containerfiles/staged/Containerfile\n",
    "containerfiles/staged/Containerfile": (
        f"FROM {BUSYBOX} AS one\nFROM {BUSYBOX} AS two\nRUN echo two >/two\n"
        "FROM base\nCOPY --from=one /bin/busybox /staged\nCOPY --from=two /two /\n"
    ),
    "images/alone.yaml": "image: alone\ncontainerfile: ../containerfiles/alone/Containerfile\n",
    "containerfiles/alone/Containerfile": f"FROM {BUSYBOX}\n",
}
IMAGES = {"base", "left", "given", "direct", "copied", "bound", "staged", "alone"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("base")
    with store(place / "store") as made:
        save_base(made, place / "image")
    return place / "image"


@pytest.fixture
def scene(base: Path) -> Iterator[Scene]:
    with (
        TemporaryDirectory(prefix="bs-", dir="/var/tmp") as folder,
        store(Path(folder, "store")),
        store(Path(folder, "own")),
        store(Path(folder, "other")),
    ):
        made = Scene(Path(folder), base, plain()).but(more={**CONTAINERFILE, **MORE})
        made.prepare()
        yield made


def by_configuration(scene: Scene, stores: list[Path]) -> Scene:
    own = Store(scene.place / "own")
    text = f'[storage]\ndriver = "overlay"\ngraphroot = "{own.root}"\nrunroot = "{own.runroot}"\n'
    rows = ", ".join(f'"{path}"' for path in stores)
    text += f"[storage.options]\nadditionalimagestores = [{rows}]\n"
    configuration = scene.place / "storage.conf"
    configuration.write_text(text)
    return scene.adding(CONTAINERS_STORAGE_CONF=str(configuration)).but(options="")


def by_option(scene: Scene, stores: list[Path]) -> Scene:
    own = Store(scene.place / "own")
    words = " ".join(f"--storage-opt overlay.imagestore={path}" for path in stores)
    return scene.but(options=f"{own.options} {words}")


def seen(place: Path) -> str:
    """All that a store's folder holds: names, times of content, sizes. Locks are touched by who reads."""
    argv = ["find", str(place), "-xdev", "!", "-name", "*.lock", "-printf", "%P %y %m %s %T@\\n"]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    return "\n".join(sorted(lines))


@pytest.mark.parametrize("way", [by_configuration, by_option])
@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_a_base_that_is_only_there(
    scene: Scene, way: Callable[[Scene, list[Path]], Scene], *, several: bool
) -> None:
    there = scene.used_store.root
    other = Store(scene.place / "other")
    if several:
        other.buildah("images")
    ready = way(scene, [other.root, there] if several else [there])
    before = seen(there)
    done = ready.built()
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
    assert scene.ids().keys() == IMAGES
    assert seen(there) == before
    again = ready.made()
    assert again.returncode == 0
    assert b" 0 built" in again.stdout or b" built" not in again.stdout


def test_a_read_only_store(scene: Scene) -> None:
    there = scene.used_store.root
    script = f'mount --bind "{there}" "{there}"; mount -o remount,bind,ro "{there}"; exec "$@"'
    ready = by_configuration(scene, [there]).within(
        "unshare", "--mount", "--propagation", "private", "bash", "-euc", script, "bash"
    )
    done = ready.built()
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
    assert scene.ids().keys() == IMAGES


def test_ids_are_those_of_one_store(scene: Scene) -> None:
    done = scene.built()
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
    plainly = scene.ids()
    subprocess.run(["rm", "-rf", str(scene.plan)], check=True)
    done = by_configuration(scene, [scene.used_store.root]).built()
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
    assert scene.ids() == plainly
