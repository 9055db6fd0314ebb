"""What stands in the way of publishing, each thing with its code."""

from __future__ import annotations

from collections.abc import Sequence

from buildsys.diagnostics import NOWHERE, Code, Diagnostic


class Problem(Exception):  # noqa: N818 - reads as what happened
    """Something was refused or did not answer, for good; carries the Diagnostic that says so."""

    def __init__(self, code: Code, message: str, hint: str = "") -> None:
        self.diagnostic = Diagnostic(NOWHERE, code, message, hint)
        super().__init__(message)


class Transient(Exception):  # noqa: N818 - reads as what happened
    """What may go well the next time: no answer, too many requests, an error of the server.

    `pause` is how many seconds the server asks to be left alone; 0: it does not say.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        self.pause = pause
        super().__init__(reason)


class Stopped(Exception):  # noqa: N818 - reads as what happened
    """The run is to end: somebody has interrupted it."""


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them."""
    return ", ".join(names)
