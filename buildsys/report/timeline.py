"""The last run of a plan in time: which image was built when, next to which others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildsys.plan.read import Span

CriticalPath = Callable[[Mapping[str, float]], Iterable[str]]

ROUNDED = 0.1
"""Seconds by which two bars of a slot may overlap: a run records how long an image took with one decimal."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The time that a run spent on one image."""

    image: str
    begin: float
    end: float
    """Seconds since the first bar began."""
    slot: int
    """From 0: bars of one slot do not overlap."""
    failed: bool
    critical: bool
    """Part of the critical path."""

    @property
    def seconds(self) -> float:
        """The length of the bar."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Timeline:
    """All bars of a run."""

    began: float
    """Seconds since 1970."""
    bars: tuple[Bar, ...]
    """By begin, then by image."""
    chain: tuple[str, ...]
    """The critical path: of all chains of images that need one another, the one with the most seconds."""

    @property
    def seconds(self) -> float:
        """From the first begin to the last end."""
        return max(bar.end for bar in self.bars)

    @property
    def slots(self) -> int:
        """How many images were in work at once, at most."""
        return 1 + max(bar.slot for bar in self.bars)

    @property
    def work(self) -> float:
        """Seconds of all bars together."""
        return sum(bar.seconds for bar in self.bars)

    @property
    def chain_seconds(self) -> float:
        """Seconds of the critical path, which no number of slots makes shorter."""
        return sum(bar.seconds for bar in self.bars if bar.critical)


def timeline(spans: Iterable[Span], critical_path: CriticalPath) -> Timeline | None:
    """Spread the spans of a run over slots; None if there is none.

    `critical_path` finds the chain that takes longest, from the seconds of each image.
    """
    ordered = sorted(spans, key=lambda span: (span.begin, span.image))
    if not ordered:
        return None
    began = ordered[0].begin
    seconds = {span.image: span.end - span.begin for span in ordered}
    chain = tuple(name for name in critical_path(seconds) if name in seconds)
    free: list[float] = []
    bars = []
    for span in ordered:
        slot = next((number for number, end in enumerate(free) if end <= span.begin + ROUNDED), len(free))
        free[slot : slot + 1] = [span.end]
        bars.append(
            Bar(span.image, span.begin - began, span.end - began, slot, span.failed, span.image in chain)
        )
    return Timeline(began, tuple(bars), chain)
