"""A store and a plan for each test, the base image made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.busybox import Ground, put_base
from tests.stores import store


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base image, as an archive."""
    place = tmp_path_factory.mktemp("base")
    with store(place / "store") as made:
        put_base(made, place / "root")
        made.buildah(
            "push", "--quiet", "localhost/busybox:1", f"docker-archive:{place}/base.tar:localhost/busybox:1"
        )
    return place / "base.tar"


@pytest.fixture
def ground(tmp_path: Path, base: Path) -> Iterator[Ground]:
    with store(tmp_path / "store") as made:
        made.buildah("pull", "--quiet", f"docker-archive:{base}")
        yield Ground(made, tmp_path / "plan")
