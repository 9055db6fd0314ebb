"""Comparing a whole plan with a folder of expected files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from buildsys.plan.compile import Plan
from tests.plan.sets import every_kind

GoldenFolder = Callable[[Plan, Path], None]


@pytest.fixture
def golden_folder(request: pytest.FixtureRequest, golden: Callable[[str, Path], None]) -> GoldenFolder:
    """Compare every text of a plan but the runtime with a folder; `--rewrite` writes the folder anew."""

    def compare(plan: Plan, folder: Path) -> None:
        texts = steady(plan)
        if request.config.getoption("--rewrite"):
            shutil.rmtree(folder, ignore_errors=True)
            for name in texts:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
        expected = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        if not request.config.getoption("--rewrite"):
            assert sorted(texts) == sorted(expected)
        for name, text in texts.items():
            golden(text, folder / name)

    return compare


def steady(plan: Plan) -> dict[str, str]:
    """Texts of a plan without what moves at every edit of the runtime: its files, and hashes of them."""
    texts = {name: text for name, text in plan.texts.items() if not name.startswith("lib/")}
    stamps = dict(re.findall(r"^([0-9a-f]{16}) (\S+)", texts["graph"], re.MULTILINE))
    moving = {
        r"^runtime [0-9a-f]{64}$": "runtime HASH",
        r'"buildsys": "[^"]+"': '"buildsys": "VERSION"',
        **{stamp: f"STAMP-{image}" for stamp, image in stamps.items()},
    }
    for pattern, steady_text in moving.items():
        texts = {name: re.sub(pattern, steady_text, text, flags=re.MULTILINE) for name, text in texts.items()}
    texts["links"] = "".join(f"{name}\n" for name in sorted(plan.links))
    return texts


@pytest.fixture
def every(tmp_path: Path) -> Path:
    """The folder of a set with every kind of instruction."""
    every_kind(tmp_path / "set")
    return tmp_path / "set"
