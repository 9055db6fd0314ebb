"""What the oracle needs once: packages, base images, and a place on a disk that a container store likes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.sites.packages", "tests.oracle.judge")

from tests.oracle.ground import Ground, ground  # noqa: E402 - after the registration


@pytest.fixture(scope="session")
def oracle_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("oracle")) as made:
        yield made
