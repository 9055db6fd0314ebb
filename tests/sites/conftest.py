"""The ground that tests of sites share, and the vault beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sites.ground import Ground, open_ground
from tests.sites.loopback import Web, web_server
from tests.sites.vault import make_vault


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with open_ground(tmp_path_factory.mktemp("sites")) as ground:
        yield ground


@pytest.fixture(scope="session")
def vault(ground: Ground) -> Iterator[Web]:
    """The vault, and the keys that are published beside it."""
    make_vault(ground.place / "vault", ground.stand_ins, ground.key)
    with web_server(ground.place / "vault") as web:
        yield web
