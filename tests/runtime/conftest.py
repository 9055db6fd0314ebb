"""Fixtures of the runtime's tests: roots to enter, and plans on a store that is fake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.faked import Faked, make_fake
from tests.runtime.roots import SHELLS, Box, copy_root, make_plan, make_root


@pytest.fixture(scope="session")
def shell_roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A root for each shell; tests work on copies."""
    place = tmp_path_factory.mktemp("roots")
    for shell in SHELLS:
        make_root(place / shell, shell)
    return {shell: place / shell for shell in SHELLS}


@pytest.fixture(params=SHELLS)
def box(request: pytest.FixtureRequest, shell_roots: dict[str, Path], tmp_path: Path) -> Box:
    """A root of this test's own, once with each shell."""
    copy_root(shell_roots[request.param], tmp_path / "root")
    make_plan(tmp_path / "plan")
    return Box(tmp_path / "root", tmp_path / "plan", tmp_path / "scratch")


@pytest.fixture
def faked(tmp_path: Path) -> Faked:
    """A plan directory, not yet written, and a fake container store."""
    return Faked(tmp_path / "plan", make_fake(tmp_path / "fake"))
