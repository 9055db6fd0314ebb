"""The graph of an image set: who needs whom, in which order, and which images a person means.

The only door to networkx and toposort. networkx costs 150 ms to import, so only what analyses a graph
for people opens it; ordering and selecting, which every build does, keep to the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from functools import cached_property
from graphlib import TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest
from buildsys.image import Image

if TYPE_CHECKING:
    from networkx import DiGraph


class ImageGraph:
    """Images and their edges: an image needs its parent and every image it copies from."""

    def __init__(
        self, images: Mapping[str, Image], profiles: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        """Take resolved images, which are known to need only one another and no ring.

        Raises:
            ValueError: they do need something else, or themselves.
        """
        self.images = images
        self._profiles = profiles or {}
        self._needs = {name: tuple(images[name].dependencies()) for name in sorted(images)}
        for name, needs in self._needs.items():
            for need in needs:
                if need not in images:
                    raise ValueError(f"{name} needs {need}, which is not in the graph")
        TopologicalSorter(self._needs).prepare()

    def parents_of(self, name: str) -> tuple[str, ...]:
        """The images this one needs directly: the one it is built from first."""
        return self._needs[name]

    def children_of(self, name: str) -> tuple[str, ...]:
        """The images that need this one directly, sorted."""
        return tuple(self._needed_by[name])

    def order(self) -> tuple[str, ...]:
        """All images, each after what it needs; among those that are free to come next, by name."""
        missing = {name: len(needs) for name, needs in self._needs.items()}
        ready = [name for name, count in missing.items() if not count]
        heapify(ready)
        order = []
        while ready:
            name = heappop(ready)
            order.append(name)
            for child in self._needed_by[name]:
                missing[child] -= 1
                if not missing[child]:
                    heappush(ready, child)
        return tuple(order)

    def ancestors(self, name: str) -> frozenset[str]:
        """Everything an image needs, however far away."""
        return self._reach([name], self._needs)

    def descendants(self, name: str) -> frozenset[str]:
        """Everything that needs an image, however far away."""
        return self._reach([name], self._needed_by)

    def waves(self) -> tuple[tuple[str, ...], ...]:
        """Images that can be built at the same time: each wave needs only earlier ones."""
        from toposort import toposort

        return tuple(
            tuple(sorted(wave))
            for wave in toposort({name: set(needs) for name, needs in self._needs.items()})
        )

    def remaining(self, seconds: Mapping[str, float] | None = None) -> dict[str, float]:
        """For each image the time from its start until the last of its descendants is done.

        `seconds` is what images took before. One without a past counts as the mean of the others, or as
        one second when none has any.
        """
        known = {name: value for name, value in (seconds or {}).items() if name in self.images}
        usual = sum(known.values()) / len(known) if known else 1.0
        remaining: dict[str, float] = {}
        for name in reversed(self.order()):
            after = max((remaining[child] for child in self._needed_by[name]), default=0.0)
            remaining[name] = known.get(name, usual) + after
        return remaining

    def critical_path(self, seconds: Mapping[str, float] | None = None) -> tuple[str, ...]:
        """The chain of images that takes longest, first to last."""
        remaining = self.remaining(seconds)
        path: list[str] = []
        choices: Iterable[str] = (name for name, needs in self._needs.items() if not needs)
        while heads := sorted(choices, key=lambda name: (-remaining[name], name)):
            path.append(heads[0])
            choices = self._needed_by[heads[0]]
        return tuple(path)

    def select(
        self, patterns: Iterable[str] = (), *, parents: bool = True, children: bool = False
    ) -> tuple[str, ...]:
        """The images that names, globs and `@profile` mean, in build order; all images when nothing is said.

        `parents` adds what they need, `children` what needs them (and, with `parents`, what that needs).

        Raises:
            Refused: a pattern means no image; every such pattern.
        """
        wanted = list(patterns)
        if not wanted:
            return self.order()
        found: list[Diagnostic] = []
        names = {name for pattern in wanted for name in self._matching(pattern, found)}
        if found:
            raise Refused(found)
        if children:
            names |= self._reach(names, self._needed_by)
        if parents:
            names |= self._reach(names, self._needs)
        return tuple(name for name in self.order() if name in names)

    def networkx(self) -> DiGraph[str]:
        """The graph for analysis and export: an edge leads from what is needed to what needs it."""
        from networkx import DiGraph

        graph: DiGraph[str] = DiGraph()
        graph.add_nodes_from(self._needs)
        graph.add_edges_from((need, name) for name, needs in self._needs.items() for need in needs)
        return graph

    @cached_property
    def _needed_by(self) -> dict[str, list[str]]:
        users: dict[str, list[str]] = {name: [] for name in self._needs}
        for name, needs in self._needs.items():
            for need in needs:
                users[need].append(name)
        return users

    def _reach(self, start: Iterable[str], edges: Mapping[str, Iterable[str]]) -> frozenset[str]:
        seen: set[str] = set()
        waiting = [name for first in start for name in edges[first]]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += edges[name]
        return frozenset(seen)

    def _matching(self, pattern: str, found: list[Diagnostic]) -> Iterator[str]:
        if pattern.startswith("@"):
            profile = self._profiles.get(pattern[1:])
            if profile is None:
                known = ", ".join(f"@{name}" for name in sorted(self._profiles)) or "none"
                hint = closest(pattern, [f"@{name}" for name in self._profiles]) or f"known profiles: {known}"
                found.append(
                    Diagnostic(NOWHERE, Code.NO_MATCH, f"no profile is called '{pattern[1:]}'", hint)
                )
            yield from profile or ()
            return
        expression = re.compile(translate(pattern))
        matching = [name for name in self._needs if expression.match(name)]
        if not matching:
            hint = closest(pattern, self._needs) or "name an image, a glob like 'nova-*', or a @profile"
            found.append(Diagnostic(NOWHERE, Code.NO_MATCH, f"no image matches '{pattern}'", hint))
        yield from matching
