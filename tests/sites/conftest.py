"""The ground that tests of sites share, and the vault beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.docs.pages import carry_out
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


@pytest.fixture(scope="session")
def page(ground: Ground, vault: Web, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What came out otherwise than the page on the vault says, with the mirrors on the loopback.

    The page builds keystone of stable-pike from nothing, so who builds it too on this ground comes after it.
    Such a build moves the images' names; what the page built keeps the name `localhost/of-the-page/NAME`.
    """
    folder = tmp_path_factory.mktemp("rdo")
    for name in (".venv", "recipes"):
        (folder / name).symlink_to(ROOT / name)
    text = (ROOT / "docs/how-to/build-from-the-vault.md").read_text()
    text = text.replace("http://mirror.example.org", vault.address)
    text = text.replace("registry.example.org/library/centos:7", ground.base)
    text = text.replace("/srv/gems", str(ground.stand_ins / "gems"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    wrong = carry_out(text, folder, {**kept, **ground.environment})
    if not wrong:
        for name in ("base", "openstack-base", "keystone"):
            built = f"localhost/tripleopike/centos-binary-{name}:current-tripleo"
            ground.store.buildah("tag", built, f"localhost/of-the-page/{name}")
    return wrong
