"""docs/how-to/lock-packages.md, carried out."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.conftest import ROOT
from tests.docs.pages import carry_out
from tests.lock.test_solve import LATER
from tests.lock.world import FIRST, World
from tests.stores import store

PAGE = (ROOT / "docs/how-to/lock-packages.md").read_text().split("\n## ")


@pytest.mark.real
def test_the_page_on_locking(world: World) -> None:
    first, updates, recipes = PAGE[1:4]
    assert first.startswith("Make the first lock")
    home = world.place / "home"
    home.mkdir()
    (home / "recipes").mkdir()
    shutil.move(world.set, home / "recipes/demo")
    path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "MAKEFLAGS": ""}
    with store(world.place / "store"):
        assert carry_out(first, home, environment) == []
        world.packages(*FIRST, "leaf-1.1", time=LATER)
        assert carry_out(updates, home, environment) == []
        side = home / "recipes/demo/images/side.yaml"
        side.write_text(side.read_text().replace("[other]", "[other, mid]"))
        assert carry_out(recipes, home, environment) == []
