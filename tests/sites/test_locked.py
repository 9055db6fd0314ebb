"""stable-pike from the vault under a lock: solved against the base, installed by the image's own rpm."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sites.conftest import Ground
from tests.sites.loopback import Web

pytestmark = pytest.mark.real


def test_keystone(ground: Ground, vault: Web, tmp_path: Path) -> None:
    lock = tmp_path / "lock.yaml"
    plan = tmp_path / "plan"
    variables = [f"{name}={vault.address}" for name in ("vault", "github")]
    variables += [f"keys={vault.address}/keys", f"base_image={ground.base}"]
    options = [word for variable in variables for word in ("--variable", variable)]
    options += ["--site", "rdo", "--build-dir", str(tmp_path / "build")]
    made = ground.buildsys("lock", "stable-pike", "-o", lock, *options)
    assert made.status == 0, made.text
    written = ground.buildsys("plan", "stable-pike", "--lock", lock, "-o", plan, *options)
    assert written.status == 0, written.text
    done = ground.make(plan, "keystone")
    assert done.status == 0, done.text
