"""A finding: what one check of one fact in one image came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .facts import Fact

Verdict = Literal["passed", "failed", "overtaken", "unobservable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `image` is where it was looked at; the fact may be an ancestor's.

    overtaken: a later event of the facts undid it, so the end state cannot show it.
    unobservable: no trace in an image, or what to compare it with was not given.
    """

    image: str
    fact: Fact
    verdict: Verdict
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        of = "" if self.fact.image == self.image else f" (of {self.fact.image})"
        return (
            f"{self.image}: {f'{self.fact.topic} {self.fact.subject}'.rstrip()}{of}: "
            f"expected {self.expected}, found {self.found}"
        )


def same(image: str, fact: Fact, expected: object, found: object) -> Finding:
    """A finding that passes when the two are equal; only one that fails has words."""
    if expected == found:
        return Finding(image, fact, "passed")
    return Finding(image, fact, "failed", _text(expected), _text(found))


def holds(image: str, fact: Fact, truth: object, expected: str, found: str) -> Finding:
    """A finding that passes when `truth` does."""
    return Finding(image, fact, "passed" if truth else "failed", expected, found)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, dict):
        value = ", ".join(f"{key} {text}" for key, text in value.items())
    return "nothing" if value in (None, "", []) else str(value)
