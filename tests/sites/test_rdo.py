"""stable-pike from the vault: the real recipes, a real yum inside, a real registry, all on the loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sites.conftest import Ground
from tests.sites.loopback import Web

pytestmark = pytest.mark.real


def test_keystone(ground: Ground, vault: Web, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    variables = [f"{name}={vault.address}" for name in ("vault", "github")]
    variables += [f"keys={vault.address}/keys", f"base_image={ground.base}"]
    options = [word for variable in variables for word in ("--variable", variable)]
    written = ground.buildsys("plan", "stable-pike", "--site", "rdo", "-o", plan, *options)
    assert written.status == 0, written.text
    done = ground.make(plan, "keystone")
    assert done.status == 0, done.text
