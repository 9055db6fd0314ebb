"""A store damaged behind its back: `why` and the next run see it, remove what is bad and build it again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildsys.cli import build
from buildsys.inspect_image.soundness import damaged
from tests import command
from tests.busybox import Ground
from tests.plan.sets import BASE, BUSYBOX, image
from tests.runtime.builds import VfsStore
from tests.runtime.faked import does
from tests.stores import Store, keep, store

pytestmark = pytest.mark.real

IMAGES = [
    image("one", BASE, does("echo 1 >/one; mkdir /d; echo 1 >/d/f")),
    image("two", "one", does("echo 2 >/two; mkdir /e; echo 2 >/e/f")),
    image("three", "two", does("echo 3 >/three")),
    image("other", "one", does("echo 4 >/four")),
]


@dataclass(frozen=True)
class Part:
    """Where the store keeps an image, and the layer that is its own."""

    root: Path
    image: str
    layer: str
    driver: str

    @property
    def folder(self) -> Path:
        return self.root / ("vfs/dir" if self.driver == "vfs" else "overlay") / self.layer

    @property
    def files(self) -> Path:
        """What the layer holds: its own files, or a whole copy."""
        return self.folder if self.driver == "vfs" else self.folder / "diff"

    @property
    def link(self) -> Path:
        return self.root / "overlay/l" / (self.folder / "link").read_text()

    @property
    def split(self) -> Path:
        return self.layers / f"{self.layer}.tar-split.gz"

    @property
    def images(self) -> Path:
        return self.root / f"{self.driver}-images"

    @property
    def layers(self) -> Path:
        return self.root / f"{self.driver}-layers"

    def data(self, pattern: str) -> Path:
        return next((self.images / self.image).glob(pattern))


def part(ground: Ground, name: str) -> Part:
    ids = {
        key.partition(":")[0]: identity.removeprefix("sha256:")
        for key, identity in ground.built_keys().items()
    }
    driver = driver_of(ground)
    records = json.loads((ground.store.root / f"{driver}-images/images.json").read_text())
    (layer,) = [record["layer"] for record in records if record["id"] == ids[name]]
    return Part(ground.store.root, ids[name], layer, driver)


def driver_of(ground: Ground) -> str:
    return "vfs" if isinstance(ground.store, VfsStore) else "overlay"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _drop(path: Path, identity: str) -> None:
    records = [record for record in json.loads(path.read_text()) if record["id"] != identity]
    path.write_text(json.dumps(records, separators=(",", ":")))


DAMAGE: dict[str, Callable[[Part], None]] = {
    "folder": lambda at: _remove(at.folder),
    "content": lambda at: _remove(at.files),
    "link file": lambda at: _remove(at.folder / "link"),
    "link file empty": lambda at: _empty(at.folder / "link"),
    "link": lambda at: _remove(at.link),
    "all links": lambda at: _remove(at.root / "overlay/l"),
    "lower": lambda at: _remove(at.folder / "lower"),
    "lower cut": lambda at: _cut(at.folder / "lower"),
    "packing": lambda at: _remove(at.split),
    "packing empty": lambda at: _empty(at.split),
    "packing cut": lambda at: _cut(at.split),
    "manifest": lambda at: _remove(at.data("manifest")),
    "manifest cut": lambda at: _cut(at.data("manifest")),
    "configuration": lambda at: _remove(at.data("=c2hhMjU2O*")),
    "configuration cut": lambda at: _cut(at.data("=c2hhMjU2O*")),
    "image folder": lambda at: _remove(at.images / at.image),
    "layer record": lambda at: _drop(at.layers / "layers.json", at.layer),
    "image record": lambda at: _drop(at.images / "images.json", at.image),
    "no layer records": lambda at: _remove(at.layers / "layers.json"),
    "layer records cut": lambda at: _cut(at.layers / "layers.json"),
    "no image records": lambda at: _remove(at.images / "images.json"),
}


OF_THE_BASE_TOO = {"all links", "no layer records", "layer records cut", "no image records"}


Restored = tuple[Ground, Callable[[], None]]
"""Store and plan of four images, and a function that makes them what they are after two runs."""


@contextmanager
def _restored(made: Store, base: Path, place: Path) -> Iterator[Restored]:
    made.buildah("pull", "--quiet", f"docker-archive:{base}")
    ground = Ground(made, place / "plan")
    ground.build(IMAGES)
    ground.build(IMAGES)
    made.buildah("rm", "--all")
    yield ground, keep(place)


@pytest.fixture(scope="module")
def restored(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restored]:
    place = tmp_path_factory.mktemp("damage") / "work"
    with store(place / "store") as made:
        driver = made.buildah("info", "--format", "{{.store.GraphDriverName}}").strip()
        if driver != "overlay":
            pytest.skip(f"the store is of {driver}")
        with _restored(made, base, place) as found:
            yield found


@pytest.fixture(scope="module")
def restored_vfs(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restored]:
    place = tmp_path_factory.mktemp("damage") / "work"
    with store(place / "store") as made, _restored(VfsStore(made.place), base, place) as found:
        yield found


@pytest.fixture
def built(restored: Restored) -> Ground:
    ground, restore = restored
    restore()
    return ground


@pytest.fixture
def vfs(restored_vfs: Restored) -> Ground:
    ground, restore = restored_vfs
    restore()
    return ground


def _ids(ground: Ground) -> dict[str, str]:
    return {
        name: (ground.plan / f"state/{name}.id").read_text().strip()
        for name in ("one", "two", "three", "other")
    }


def _read_all(ground: Ground) -> None:
    """Every file of every image, by the tools that users have."""
    for identity in _ids(ground).values():
        ground.store.buildah("push", "--quiet", identity, f"dir:{ground.plan.parent}/pushed")


@pytest.mark.parametrize("way", DAMAGE)
def test_damage_is_seen_and_mended(built: Ground, way: str) -> None:
    _harm(built, way)


# Of the ways that this driver knows, those that harm something else each; all of them were tried.
@pytest.mark.parametrize(
    "way", ["folder", "packing empty", "manifest", "configuration cut", "layer record", "image record"]
)
def test_damage_of_vfs_is_seen_and_mended(vfs: Ground, way: str) -> None:
    _harm(vfs, way)


def _harm(built: Ground, way: str) -> None:
    """Damage a store in some way; `why` and the next run see and mend it."""
    before = _ids(built)
    DAMAGE[way](part(built, "two"))
    asked = built.call("why.sh")
    why = asked.stdout
    assert asked.returncode == 0, asked.stderr
    done = built.call("run.sh")
    if way in OF_THE_BASE_TOO and done.returncode:
        # Nobody here can make the base again.
        assert "localhost/busybox:1" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert re.search(r"^two\tstale\t", why, re.MULTILINE), (why, done)
    assert "one\tfresh" in why
    assert re.search(r"^\[\d/\d\] two [0-9.]+ s$", done.stdout, re.MULTILINE), done.stdout
    assert _ids(built) == before
    _read_all(built)
    assert built.call("run.sh").stdout == ""


def _same_time(path: Path, text: str) -> None:
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _damaged_packing(at: Part) -> None:
    data = bytearray(at.split.read_bytes())
    data[len(data) // 2] ^= 0xFF
    at.split.write_bytes(bytes(data))


NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")
"""`cap_net_raw=ep` as the kernel stores it."""
INSIDE: dict[str, tuple[Callable[[Part], None], str]] = {
    "content": (lambda at: _same_time(at.files / "e/f", "9\n"), "the content of a file has changed"),
    "cut": (lambda at: _empty(at.files / "e/f"), "/e/f has another size"),
    "gone": (lambda at: _remove(at.files / "e/f"), "/e/f is missing"),
    "empty folder": (lambda at: _remove(at.files / "e"), "/e/f is missing"),
    "mode": (lambda at: (at.files / "two").chmod(0o4755), "/two has another mode"),
    "owner": (lambda at: os.chown(at.files / "two", 7, 7), "/two has another owner"),
    "capability": (
        lambda at: os.setxattr(at.files / "two", "security.capability", NET_RAW),
        "/two has other attributes",
    ),
    "added": (lambda at: _empty(at.files / "e/new"), "/e/new does not belong to it"),
    "kind": (lambda at: _swap(at.files / "e/f"), "/e/f is missing"),
    "packing": (_damaged_packing, "its tar-split file cannot be read"),
}


def _swap(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _buildsys(ground: Ground, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, on the recipes of no set: what is built is a plan that is there."""
    return command.run(words, ground.plan.parent, ground.environment())


@pytest.mark.parametrize("way", INSIDE)
def test_damage_within_a_layer_is_found_by_reading(built: Ground, way: str) -> None:
    _harm_inside(built, way)


# Those ways that look different in a whole copy.
@pytest.mark.parametrize("way", ["content", "empty folder", "added"])
def test_damage_within_a_layer_of_vfs_is_found_by_reading(vfs: Ground, way: str) -> None:
    _harm_inside(vfs, way)


INHERITED: dict[str, tuple[Callable[[Part], None], str]] = {
    "content": (
        lambda at: _same_time(at.files / "one", "9\n"),
        "/one has other content than in its parent layer",
    ),
    "owner": (lambda at: os.chown(at.files / "one", 7, 7), "/one has another owner than in its parent layer"),
    "gone": (lambda at: _remove(at.files / "one"), "/one is missing"),
    "added below": (lambda at: _empty(at.files / "bin/new"), "/bin/new does not belong to it"),
}


@pytest.mark.parametrize("way", INHERITED)
def test_damage_of_what_a_layer_of_vfs_inherits(vfs: Ground, way: str) -> None:
    at = part(vfs, "two")
    assert list(damaged(vfs.store.root, "vfs", read=True)) == []
    harm, words = INHERITED[way]
    harm(at)
    # The layer above has a copy of what was sound, so it is not among the damaged.
    (found,) = damaged(vfs.store.root, "vfs", read=True)
    assert (found.layer, found.why) == (at.layer, words)


def _harm_inside(built: Ground, way: str) -> None:
    """Damage the content of a layer; a run that reads all layers sees and mends it."""
    before, root, driver = _ids(built), built.store.root, driver_of(built)
    assert list(damaged(root, driver, read=True)) == []
    at = part(built, "two")
    harm, words = INSIDE[way]
    harm(at)
    (found,) = damaged(root, driver, read=True)
    assert (found.layer, found.why) == (at.layer, words)
    assert {"localhost/tests/t-two:1", "localhost/tests/t-three:1"} <= set(found.images)
    said = _buildsys(built, "doctor", "--verify-store")
    assert f"{at.layer[:12]} of " in said.stdout
    assert said.returncode in {1, 3}
    unsound = build._damaged(built.plan, built.store.options)
    done = built.call("run.sh", BS_DAMAGED=str(unsound))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("damaged in the store, removed: layer ") == 2
    assert done.stderr.endswith("tiny: 4 images: 2 built, 2 fresh\n")
    assert _ids(built) == before
    assert list(damaged(root, driver, read=True)) == []
    assert build._damaged(built.plan, built.store.options) is None


def test_other_names_go_with_what_is_damaged(built: Ground) -> None:
    built.store.buildah("tag", "localhost/tests/t-two:1", "localhost/mine:1")
    _remove(part(built, "two").folder)
    done = built.call("run.sh")
    assert done.returncode == 0, done.stderr
    assert "localhost/mine:1: damaged in the store, removed: layer " in done.stderr
    assert "localhost/mine:1" not in built.store.names()


def test_what_others_do_to_healthy_images_is_no_damage(built: Ground, tmp_path: Path) -> None:
    """One that went away compressed and came back has another manifest."""
    key = next(name for name in built.store.names() if "/t-two:" in name or "/two:" in name)
    place = f"[overlay@{built.store.root}+{built.store.runroot}]"
    skopeo = ["skopeo", "--insecure-policy", "copy", "--quiet"]
    away = [*skopeo, "--dest-compress", f"containers-storage:{place}{key}", f"oci:{tmp_path}/away:x"]
    back = [*skopeo, f"oci:{tmp_path}/away:x", f"containers-storage:{place}localhost/pulled:1"]
    for words in (away, back):
        subprocess.run(words, check=True)
    built.store.buildah("tag", BUSYBOX, "localhost/tests/t-mine:7")
    before = built.store.names()
    done = built.call("run.sh")
    assert (done.returncode, "damaged" in done.stderr) == (0, False), done.stderr
    assert built.store.names() == before


def test_a_container_keeps_what_is_damaged(built: Ground) -> None:
    built.store.buildah("from", "--name", "mine", "localhost/tests/t-two:1")
    _remove(part(built, "two").split)
    done = built.call("run.sh")
    assert done.returncode == 1
    assert "error: damaged images of the store cannot be removed:\n" in done.stderr
    built.store.buildah("rm", "mine")
    assert built.call("run.sh").returncode == 0


def test_a_base_that_nobody_can_make_again(built: Ground) -> None:
    records = json.loads((built.store.root / "overlay-images/images.json").read_text())
    (layer,) = [item["layer"] for item in records if item["names"] == [BUSYBOX]]
    _remove(built.store.root / f"overlay-layers/{layer}.tar-split.gz")
    done = built.call("run.sh")
    assert done.returncode == 1
    assert f"error: the base image {BUSYBOX} is damaged in the store: layer {layer[:12]}: " in done.stderr
    assert BUSYBOX in built.store.names()


def test_a_store_of_vfs(built: Ground, tmp_path: Path) -> None:
    """Each layer is a whole copy there."""
    with store(tmp_path / "other") as made:
        other = AnyStore(f"--storage-driver vfs {made.options}")
        archive = f"docker-archive:{tmp_path}/base.tar"
        built.store.buildah("push", "--quiet", BUSYBOX, f"{archive}:{BUSYBOX}")
        other.buildah("pull", "--quiet", archive)
        assert built.call("run.sh", BS_STORE=other.options).returncode == 0
        ids = _ids(built)
        assert list(damaged(made.root, "vfs", read=True)) == []
        (folder,) = {path.parent for path in (made.root / "vfs/dir").glob("*/three")}
        (folder / "three").write_text("9\n")
        (found,) = damaged(made.root, "vfs", read=True)
        assert (found.layer, found.why) == (folder.name, "the content of a file has changed")
        _remove(folder)
        done = built.call("run.sh", BS_STORE=other.options)
        assert done.stderr.endswith("tiny: 4 images: 1 built, 3 fresh\n")
        assert _ids(built) == ids


@dataclass(frozen=True)
class AnyStore:
    """A store chosen by any options."""

    options: str

    def buildah(self, *arguments: str) -> None:
        subprocess.run(["buildah", *self.options.split(), *arguments], check=True, capture_output=True)
