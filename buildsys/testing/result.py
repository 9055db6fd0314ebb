"""What came of trying: cases, and the outcome of all that was tried of an image or in a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from buildsys.diagnostics import Diagnostic

Kind = Literal["image", "scenario"]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was tried."""

    name: str
    seconds: float
    mistakes: tuple[Diagnostic, ...] = ()
    """What is wrong; nothing: it passed."""
    output: str = ""
    """What was said meanwhile."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that was tried of an image, or in a scenario."""

    kind: Kind
    name: str
    hash: str
    """Of what was to be tried."""
    ids: Mapping[str, str]
    """Id of each image it was tried with, by name."""
    cases: tuple[Case, ...]
    seconds: float = 0.0
    log: str = ""
    """The file or folder that says more, where something failed."""
    known: bool = False
    """It passed before, with the same images, and was not tried again."""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not any(case.mistakes for case in self.cases)

    @property
    def mistakes(self) -> tuple[Diagnostic, ...]:
        """What is wrong."""
        return tuple(mistake for case in self.cases for mistake in case.mistakes)
