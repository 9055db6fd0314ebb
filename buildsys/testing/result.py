"""Results: the cases of a test or a scenario, and the outcome of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from buildsys.diagnostics import Diagnostic

Kind = Literal["image", "scenario"]


@dataclass(frozen=True, slots=True)
class Case:
    """One check of an image, or one event of a scenario."""

    name: str
    seconds: float
    mistakes: tuple[Diagnostic, ...] = ()
    """What is wrong; empty: it passed."""
    output: str = ""
    """What was written to stdout and stderr meanwhile, or the body of an answer."""
    tries: int = 0
    """How often it was asked, for what is asked until it is well or its time is over; 0: it is not."""
    answer: str = ""
    """The body of the last answer that was wrong."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of all cases of an image or a scenario."""

    kind: Kind
    name: str
    hash: str
    """Hash of the test or the scenario: `spec.ImageTest.hash`."""
    ids: Mapping[str, str]
    """Image ids it was run with, by name."""
    cases: tuple[Case, ...]
    seconds: float = 0.0
    log: str = ""
    """File or directory with the details of a failure; empty where it passed."""
    known: bool = False
    """It passed earlier with the same images, and was not run again."""

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return not any(case.mistakes for case in self.cases)

    @property
    def mistakes(self) -> tuple[Diagnostic, ...]:
        """The mistakes of all cases."""
        return tuple(mistake for case in self.cases for mistake in case.mistakes)
