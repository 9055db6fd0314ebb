"""One piece of work on very many items, divided among processes; the answers are those of one process."""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

SHARE = 1000
"""Items that are worth another process: a fork costs some 20 ms, an item about 0.1."""


def spread(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The answer for every item, in their order. Answers are plain values that `marshal` can write.

    A share whose process fails is done again in this process, which then raises the exception of `work`.
    """
    count = max(1, min(len(os.sched_getaffinity(0)), len(items) // SHARE))
    bounds = [len(items) * number // count for number in range(count + 1)]
    shares = [items[start:end] for start, end in pairwise(bounds)]
    others = [_begin(work, share) for share in shares[1:]]
    answers = [work(item) for item in shares[0]]
    for share, (process, pipe) in zip(shares[1:], others, strict=True):
        with os.fdopen(pipe, "rb") as file:
            data = file.read()
        _, status = os.waitpid(process, 0)
        # The data come from a process that this one started.
        answers += marshal.loads(data) if status == 0 else [work(item) for item in share]  # noqa: S302
    return answers


def _begin(work: Callable[[T], R], share: Sequence[T]) -> tuple[int, int]:
    """Start a process for a share: its id, and the pipe that it writes its answers to."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    status = 1
    try:
        os.close(reading)
        data = marshal.dumps([work(item) for item in share])
        with os.fdopen(writing, "wb") as file:
            file.write(data)
        status = 0
    finally:
        # Skip the clean-up of the interpreter: buffers and files belong to the parent.
        os._exit(status)
