"""One piece of work on very many things, spread over the cores; the answers are the same as without."""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

SHARE = 1000
"""Fewer things than this are not worth another process: a fork costs some 20 ms, one thing about 0.1."""


def spread(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The answer for every item, in their order. Answers are plain values, such as `marshal` knows.

    A share that a process of its own could not do, for whatever reason, is done again here: what `work`
    raises, is raised here.
    """
    count = max(1, min(len(os.sched_getaffinity(0)), len(items) // SHARE))
    bounds = [len(items) * number // count for number in range(count + 1)]
    shares = [items[start:end] for start, end in pairwise(bounds)]
    others = [_begin(work, share) for share in shares[1:]]
    answers = [work(item) for item in shares[0]]
    for share, (process, pipe) in zip(shares[1:], others, strict=True):
        with os.fdopen(pipe, "rb") as file:
            told = file.read()
        _, status = os.waitpid(process, 0)
        # What it reads, a process of ours just wrote.
        answers += marshal.loads(told) if status == 0 else [work(item) for item in share]  # noqa: S302
    return answers


def _begin(work: Callable[[T], R], share: Sequence[T]) -> tuple[int, int]:
    """Do a share in a process of its own: its id, and the pipe it writes its answers to."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    status = 1
    try:
        os.close(reading)
        told = marshal.dumps([work(item) for item in share])
        with os.fdopen(writing, "wb") as file:
            file.write(told)
        status = 0
    finally:
        # Nothing of the parent's is flushed, closed or removed twice.
        os._exit(status)
