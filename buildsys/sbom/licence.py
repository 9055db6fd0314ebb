"""Licences of packages as expressions of SPDX."""

from __future__ import annotations

from functools import cache

from buildsys.lock.labels import spdx


@cache
def expression(licence: str) -> str:
    """The licence as an expression of SPDX; empty if it is none, or not certain."""
    return spdx(licence)
