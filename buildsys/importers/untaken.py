"""What was not taken over, and why."""

from __future__ import annotations

from buildsys.diagnostics import Code, Diagnostic, Spot


def untaken(spot: Spot, what: str, why: str, hint: str = "") -> Diagnostic:
    """One thing that was not taken over: what it is, and why it could not be."""
    return Diagnostic(spot, Code.NOT_TAKEN_OVER, f"{what} is not taken over: {why}", hint)
