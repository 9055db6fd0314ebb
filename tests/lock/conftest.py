"""Ground for these tests: packages built once, and a world of its own for each test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lock.serve import serve
from tests.lock.stones import Stones, build
from tests.lock.world import EXPECTED, FIRST, RECIPES, SET, Told, World, refusal


@pytest.fixture(scope="session")
def stones(tmp_path_factory: pytest.TempPathFactory) -> Stones:
    """All packages; building them takes seconds."""
    return build(tmp_path_factory.mktemp("stones"))


@pytest.fixture
def world(stones: Stones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A set of four images and the repository it needs."""
    (tmp_path / "web").mkdir()
    with serve(tmp_path / "web") as server:
        made = World(tmp_path, stones, server)
        made.packages(*FIRST)
        (made.set / "files").mkdir(parents=True)
        (made.set / "files/KEY").write_bytes(stones.key.public.read_bytes())
        (made.set / "set.yaml").write_text(SET)
        made.site()
        for name, text in RECIPES.items():
            made.recipe(name, text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("BS_PAUSE", "0.05")
        monkeypatch.setenv("BS_STORE", made.store)
        yield made


@pytest.fixture
def told(golden: Callable[[str, Path], None]) -> Told:
    """Compare what a person is told, word by word, with a file of expected/; `--rewrite` writes it."""

    def compare(doing: Callable[[], object], code: str, name: str = "") -> None:
        text = re.sub(r"http://127\.0\.0\.1:\d+", "http://ADDRESS", refusal(doing, code))
        text = re.sub(r"\b[0-9a-f]{64}\b", "SHA256", re.sub(r"/\S*/(demo|build)/", r"…/\1/", text))
        text = re.sub(r"\bkey [0-9a-f]{8,40}\b", "key KEY", re.sub(r"bytes of \d+", "bytes of SIZE", text))
        # Since Debian 13 the solver names the repository of each package too.
        text = re.sub(r"(?<=\.noarch) from quarry\b", "", text)
        # Each library has its own words for what curl met.
        text = re.sub(r"(cannot be read: ).*( \[repository-unreachable\])", r"\1…\2", text)
        golden(text, EXPECTED / f"{name or code}.txt")

    return compare
