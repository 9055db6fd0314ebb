"""The version of an image's main package as its label: from the lock, and from nothing that moves besides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.image import Image, Install, OciConfig
from buildsys.lock.apply import VERSION_LABEL, apply_lock
from buildsys.lock.lockfile import Lock, LockedImage, LockedStep
from buildsys.plan.compile import compile_plan
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.lock.test_file import package
from tests.plan.sets import BASE, image, image_set
from tests.plan.sets import package as asked


def locked(place: Path, config: OciConfig, version: str = "2.1") -> Image:
    """An image that installs `web` by a lock; its child installs nothing."""
    install = Install(packages=(asked("web"),))
    images = [image("web", BASE, install, config=config), image("child", "web", config=config)]
    held = replace(package("web"), epoch="1", version=version, release="3.el7")
    steps = {
        "web": LockedImage("", (LockedStep(("install", "web"), (held,)),)),
        "child": LockedImage("web", ()),
    }
    digest = {BASE.reference: "sha256:" + "a" * 64}
    made = apply_lock(image_set(place, images), Lock("tiny", "none", "", steps, {}, {}, bases=digest))
    assert made.images["child"].config.labels == config.labels
    return made.images["web"]


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        (OciConfig(version_of="web"), {VERSION_LABEL: "2.1"}),
        (OciConfig(version_of="web", labels={"a": "b"}), {"a": "b", VERSION_LABEL: "2.1"}),
        (OciConfig(version_of="web", labels={VERSION_LABEL: "mine"}), {VERSION_LABEL: "mine"}),
        (OciConfig(version_of="other"), {}),
        (OciConfig(), {}),
    ],
)
def test_the_label_is_the_version_that_the_lock_has(
    config: OciConfig, labels: dict[str, str], tmp_path: Path
) -> None:
    assert dict(locked(tmp_path, config).config.labels) == labels


def test_the_key_moves_with_the_package_alone(tmp_path: Path) -> None:
    def key(config: OciConfig, version: str) -> list[str]:
        made = image_set(tmp_path, [locked(tmp_path, config, version)])
        return compile_plan(made).texts["keys/web"].splitlines()

    said = OciConfig(version_of="web")
    (changed,) = {*key(said, "2.2")} - {*key(said, "2.1")} - {*key(OciConfig(), "2.2")}
    assert (VERSION_LABEL in changed, "2.2" in changed) == (True, True)
    assert VERSION_LABEL not in "".join(key(OciConfig(), "2.1"))


def test_it_is_said_for_all_and_for_one(write_set: Callable[..., Path]) -> None:
    folder = write_set(
        {
            "set.yaml": "set: demo\nnamespace: a\ntag: '1'\nepoch: 1\ncommon: {version-of: '{{ image }}'}\n",
            "sites/here.yaml": "site: here\ninstaller: dnf\nbase: {image: registry.example.org/os:1}\n",
            "images/app.yaml": "image: app\nfrom: site\n",
            "images/db.yaml": "image: db\nfrom: site\nversion-of: mariadb\n",
            "images/file.yaml": "image: file\ncontainerfile: ../c/Containerfile\n",
            "c/Containerfile": "FROM scratch\n",
        }
    )
    (folder / "x.yaml").write_text("overlay: x\nimages:\n  app: {version-of: ~}\n")

    def said(*overlays: Path) -> dict[str, str | None]:
        images = resolve(load_set(folder, overlays), site=None, variables={}, stand_ins=None).images
        return {name: item.config.version_of for name, item in images.items()}

    assert said() == {"app": "app", "base": "base", "db": "mariadb", "file": "file"}
    assert said(folder / "x.yaml")["app"] is None
