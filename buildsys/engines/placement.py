"""Which step begins first, and where: the longest chain first, children where large parents lie.

Both are advice for engines. A wrong guess costs time, never a wrong image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from buildsys.plan import read

LARGE = 128 << 20
"""Bytes of a parent's layers from which on its place matters: to bring them takes about two seconds."""


class Placement:
    """Advice for the images of a written plan."""

    def __init__(
        self, directory: Path, needs: Mapping[str, Sequence[str]], remaining: Mapping[str, float]
    ) -> None:
        """`needs`: what each image is built from; `remaining`: seconds until its last descendant is done."""
        self._directory = directory
        self._needs = needs
        self._remaining = remaining

    def priority(self, image: str) -> int:
        """Milliseconds from the start of an image until its last descendant is done."""
        return round(self._remaining.get(image, 0.0) * 1000)

    def prefer(self, image: str) -> str:
        """The worker that has the largest parent of an image; empty if none of them is large."""
        largest, place = LARGE, ""
        for parent in self._needs.get(image, ()):
            result = read.result(self._directory, parent)
            size = max(_number(result.get("sent")), _number(result.get("received")))
            if size >= largest and isinstance(worker := result.get("worker"), str):
                largest, place = size, worker
        return place


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
