"""A perfect set, made once: the images the facts describe, and what to compare them with."""

from __future__ import annotations

import pytest

from . import facts as known
from . import perfect


@pytest.fixture(scope="session")
def perfect_set() -> perfect.PerfectSet:
    return perfect.made(known.load())
