"""Small image sets, and what lies in an image that was built from one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.sites.conftest import Ground


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


def tree(ground: Ground, image: str) -> set[str]:
    """The paths of an image."""
    container = ground.store.buildah("from", "--pull-never", image).strip()
    try:
        root = Path(ground.store.buildah("mount", container).strip())
        return {path.relative_to(root).as_posix() for path in root.rglob("*")}
    finally:
        ground.store.buildah("rm", container)
