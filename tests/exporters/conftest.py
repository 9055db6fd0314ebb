"""What tests of exporters share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from buildsys import diagnostics


@pytest.fixture
def forget() -> Callable[[], None]:
    """Forget the lines of files read before: another test had files of the same names."""
    return diagnostics._lines.cache_clear
