"""The last run of a plan in time: which image was built when, next to which others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildsys.plan.read import Span


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
    """Part of the chain that set the length of the run."""

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
    """The critical path: up to the image that ended last, each image waited for the one before it."""

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
        """Seconds of work on the critical path, without what it waited for a free slot."""
        return sum(bar.seconds for bar in self.bars if bar.critical)


def timeline(spans: Iterable[Span], needs: Mapping[str, Iterable[str]]) -> Timeline | None:
    """Spread the spans of a run over slots; None if there is none.

    `needs`: image -> the images that it needs.
    """
    ordered = sorted(spans, key=lambda span: (span.begin, span.image))
    if not ordered:
        return None
    began = ordered[0].begin
    chain = _chain({span.image: span for span in ordered}, needs)
    free: list[float] = []
    bars = []
    for span in ordered:
        slot = next((number for number, end in enumerate(free) if end <= span.begin), len(free))
        free[slot : slot + 1] = [span.end]
        bars.append(
            Bar(span.image, span.begin - began, span.end - began, slot, span.failed, span.image in chain)
        )
    return Timeline(began, tuple(bars), chain)


def _chain(spans: Mapping[str, Span], needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """From the image that ended last, back to what it needs and that ended last, and so on."""
    found = [max(spans, key=lambda name: (spans[name].end, name))]
    while True:
        needed = [name for name in needs.get(found[-1], ()) if name in spans and name not in found]
        if not needed:
            return tuple(reversed(found))
        found.append(max(needed, key=lambda name: (spans[name].end, name)))
