"""Small image sets, and what lies in an image that was built from one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.sites.packages import run
from tests.stores import Store


def write_set(folder: Path, site: str, recipes: Mapping[str, str]) -> None:
    """Write a set of one site and these recipes; its images are called localhost/SET/NAME:1."""
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    name = folder.name
    (folder / "set.yaml").write_text(
        f'set: {name}\nregistry: localhost\nnamespace: {name}\nprefix: ""\ntag: "1"\nepoch: 1517443200\n'
    )
    (folder / "sites/far.yaml").write_text(site)
    for name, text in recipes.items():
        (folder / "images" / f"{name}.yaml").write_text(f"image: {name}\n{text}")


def unpacked(store: Store, image: str, folder: Path) -> Path:
    """The last layer of an image and its configuration, below a folder: what building it added."""
    folder.mkdir()
    name = f"containers-storage:[overlay@{store.root}+{store.runroot}]{image}"
    run("skopeo", "--insecure-policy", "copy", "--quiet", name, f"dir:{folder}/.image")
    manifest = json.loads((folder / ".image/manifest.json").read_text())
    layer = folder / ".image" / manifest["layers"][-1]["digest"].removeprefix("sha256:")
    run("tar", "-xf", layer, "-C", folder)
    return folder


def found(folder: Path, *words: str) -> list[str]:
    """Files below a folder whose name or bytes hold one of the words."""
    hits = []
    for path in folder.rglob("*"):
        data = path.name.encode()
        if path.is_file() and not path.is_symlink():
            data += path.read_bytes()
        hits += [f"{path}: {word}" for word in words if word.encode() in data]
    return hits


def tree(store: Store, image: str) -> set[str]:
    """The paths of an image."""
    container = store.buildah("from", "--pull-never", image).strip()
    try:
        root = Path(store.buildah("mount", container).strip())
        return {path.relative_to(root).as_posix() for path in root.rglob("*")}
    finally:
        store.buildah("rm", container)
