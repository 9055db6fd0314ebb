"""How a registry's host is reached, and with how much patience."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.publish.access import Certificates, Login
from buildsys.publish.errors import Stopped


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something transient is tried; the first pause in seconds; each is twice the one before."""

    tries: int = 6
    pause: float = 0.5
    longest: float = 60.0
    """Seconds; what a server asks for beyond that is not waited for."""

    @staticmethod
    def of_environment() -> Patience:
        """With the first pause that BS_PAUSE says, as a plan's runs take it.

        Raises:
            Refused: it says no number of seconds (`bad-pause`).
        """
        text = os.environ.get("BS_PAUSE") or "0.5"
        try:
            pause = float(text)
        except ValueError:
            pause = math.nan
        if not 0 <= pause < math.inf:
            raise Refused(
                [Diagnostic(NOWHERE, Code.BAD_PAUSE, f"BS_PAUSE is '{text}', no number of seconds")]
            )
        return Patience(pause=pause)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How a host is reached."""

    host: str
    """With its port, where that is not 443."""
    insecure: bool = False
    certificates: Certificates = field(default_factory=Certificates)
    login: Callable[[str], Login | None] = lambda _repository: None
    """The credentials for a repository."""
    patience: Patience = field(default_factory=Patience)
    connections: int = 4
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the run is to end: nothing is asked any more."""

    def go_on(self) -> None:
        """Raises Stopped when the run is to end."""
        if self.stop.is_set():
            raise Stopped
