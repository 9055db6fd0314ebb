"""What the oracle needs once: packages, base images, and a place on a disk that a container store likes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.ground import Ground, ground


@pytest.fixture(scope="session")
def oracle_ground() -> Iterator[Ground]:
    """In a short place: podman refuses a run root of more than 50 characters."""
    with tempfile.TemporaryDirectory(prefix="o-") as place, ground(Path(place)) as made:
        yield made
