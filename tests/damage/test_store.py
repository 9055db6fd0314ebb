"""A store damaged behind its back: `why` and the next run see it, remove what is bad and build it again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.busybox import Ground
from tests.plan.sets import BASE, image
from tests.runtime.faked import does

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

    @property
    def folder(self) -> Path:
        return self.root / "overlay" / self.layer

    @property
    def link(self) -> Path:
        return self.root / "overlay/l" / (self.folder / "link").read_text()

    @property
    def split(self) -> Path:
        return self.root / f"overlay-layers/{self.layer}.tar-split.gz"

    def data(self, pattern: str) -> Path:
        return next((self.root / "overlay-images" / self.image).glob(pattern))


def part(ground: Ground, name: str) -> Part:
    ids = {
        key.partition(":")[0]: identity.removeprefix("sha256:")
        for key, identity in ground.built_keys().items()
    }
    records = json.loads((ground.store.root / "overlay-images/images.json").read_text())
    (layer,) = [record["layer"] for record in records if record["id"] == ids[name]]
    return Part(ground.store.root, ids[name], layer)


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
    "content": lambda at: _remove(at.folder / "diff"),
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
    "image folder": lambda at: _remove(at.root / "overlay-images" / at.image),
    "layer record": lambda at: _drop(at.root / "overlay-layers/layers.json", at.layer),
    "image record": lambda at: _drop(at.root / "overlay-images/images.json", at.image),
    "no layer records": lambda at: _remove(at.root / "overlay-layers/layers.json"),
    "layer records cut": lambda at: _cut(at.root / "overlay-layers/layers.json"),
    "no image records": lambda at: _remove(at.root / "overlay-images/images.json"),
}


OF_THE_BASE_TOO = {"all links", "no layer records", "layer records cut", "no image records"}


@pytest.fixture
def built(ground: Ground) -> Ground:
    driver = ground.store.buildah("info", "--format", "{{.store.GraphDriverName}}").strip()
    if driver != "overlay":
        pytest.skip(f"the store is of {driver}")
    ground.build(IMAGES)
    ground.build(IMAGES)
    ground.store.buildah("rm", "--all")
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
