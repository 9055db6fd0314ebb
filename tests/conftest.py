"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="rewrite the expected files from what came out")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Path], None]:
    """Compare a text with an expected file, byte by byte; `--rewrite` writes the file instead."""

    def compare(text: str, expected: Path) -> None:
        if request.config.getoption("--rewrite"):
            expected.write_text(text, "utf-8")
        assert text == expected.read_text("utf-8"), f"see {expected}; pytest --rewrite takes it over"

    return compare
