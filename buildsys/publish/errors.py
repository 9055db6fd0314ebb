"""The errors of publishing."""

from __future__ import annotations

from collections.abc import Sequence

from buildsys.diagnostics import NOWHERE, Code, Diagnostic


class PublishError(Exception):
    """A failure that another try does not mend; carries its Diagnostic."""

    def __init__(self, code: Code, message: str, hint: str = "") -> None:
        self.diagnostic = Diagnostic(NOWHERE, code, message, hint)
        super().__init__(message)


class Transient(Exception):  # noqa: N818 - reads as what happened
    """A failure that another try may mend: no answer, too many requests, an error of the server.

    `pause`: seconds that the server asks to wait; 0 if it does not say.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        self.pause = pause
        super().__init__(reason)


def listed(names: Sequence[str]) -> str:
    """Names, separated by commas."""
    return ", ".join(names)
