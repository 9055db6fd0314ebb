"""The graph of an image set: dependencies, build order, and selection by names, globs and profiles.

The only door to networkx and toposort. networkx takes longer to import than all of buildsys, so it answers
questions about a graph, such as rings. Ordering and selecting, which each build does, do without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest
from buildsys.image import Image

if TYPE_CHECKING:
    from networkx import DiGraph


def rings(needs: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """Rings that share no member: each member needs the next one, the smallest name is the first."""
    from toposort import CircularDependencyError, toposort

    edges = {name: set(others) for name, others in needs.items()}
    try:
        for _ in toposort(edges):
            pass
        # toposort passes over what needs itself.
        if not any(name in others for name, others in edges.items()):
            return
    except CircularDependencyError:
        pass
    from networkx import DiGraph, NetworkXNoCycle, find_cycle

    network: DiGraph[str] = DiGraph(
        (name, other) for name, others in sorted(edges.items()) for other in sorted(others)
    )
    while True:
        try:
            ring = [name for name, _ in find_cycle(network)]
        except NetworkXNoCycle:
            return
        start = ring.index(min(ring))
        yield ring[start:] + ring[:start]
        network.remove_nodes_from(ring)


def reach(start: Iterable[str], edges: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """All names that edges lead to from some, however far away."""
    seen: set[str] = set()
    waiting = [name for first in start for name in edges[first]]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += edges[name]
    return frozenset(seen)


class ImageGraph:
    """Images and their edges: an image needs its parent and every image it copies from."""

    def __init__(
        self, images: Mapping[str, Image], profiles: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        """Take resolved images.

        Raises:
            ValueError: one needs an image that is not there, or some need one another in a ring.
        """
        self.images = images
        self._profiles = profiles or {}
        self._needs = {name: tuple(images[name].dependencies()) for name in sorted(images)}
        for name, needs in self._needs.items():
            for need in needs:
                if need not in images:
                    raise ValueError(f"{name} needs {need}, which is not in the graph")
        self._order = self._ordered()
        if len(self._order) < len(self._needs):
            raise ValueError("images need one another in a cycle")

    def parents_of(self, name: str) -> tuple[str, ...]:
        """The images this one needs directly: the one it is built from first."""
        return self._needs[name]

    def children_of(self, name: str) -> tuple[str, ...]:
        """The images that need this one directly, sorted."""
        return tuple(self._needed_by[name])

    def order(self) -> tuple[str, ...]:
        """All images, each after what it needs; among those that are free to come next, by name."""
        return self._order

    def _ordered(self) -> tuple[str, ...]:
        """The order, without images in a cycle. toposort knows waves, not an order by name across them."""
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
        from networkx import ancestors

        return frozenset(ancestors(self._network(), name))

    def descendants(self, name: str) -> frozenset[str]:
        """Everything that needs an image, however far away."""
        from networkx import descendants

        return frozenset(descendants(self._network(), name))

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
        taken = self._seconds(seconds)
        remaining: dict[str, float] = {}
        for name in reversed(self.order()):
            after = max((remaining[child] for child in self._needed_by[name]), default=0.0)
            remaining[name] = taken[name] + after
        return remaining

    def critical_path(self, seconds: Mapping[str, float] | None = None) -> tuple[str, ...]:
        """The chain of images that takes longest, first to last; `seconds` as of `remaining`."""
        from networkx import dag_longest_path

        taken = self._seconds(seconds)
        network = self._network()
        # Times belong to images, and weights to edges: one edge leads to each image from before all of them.
        network.add_edges_from(("", name) for name in self._needs)
        for _, name, edge in network.edges(data=True):
            edge["weight"] = taken[name]
        return tuple(dag_longest_path(network)[1:])

    def select(
        self, patterns: Iterable[str] = (), *, parents: bool = True, children: bool = False
    ) -> tuple[str, ...]:
        """The images that names, globs and `@profile` mean, in build order; all images where none is given.

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
            names |= reach(names, self._needed_by)
        if parents:
            names |= reach(names, self._needs)
        return tuple(name for name in self.order() if name in names)

    def _network(self) -> DiGraph[str]:
        """An edge leads from what is needed to what needs it."""
        from networkx import DiGraph

        network: DiGraph[str] = DiGraph()
        network.add_nodes_from(self._needs)
        network.add_edges_from((need, name) for name, needs in self._needs.items() for need in needs)
        return network

    def _seconds(self, seconds: Mapping[str, float] | None) -> dict[str, float]:
        known = {name: value for name, value in (seconds or {}).items() if name in self.images}
        usual = sum(known.values()) / len(known) if known else 1.0
        return {name: known.get(name, usual) for name in self._needs}

    @cached_property
    def _needed_by(self) -> dict[str, list[str]]:
        users: dict[str, list[str]] = {name: [] for name in self._needs}
        for name, needs in self._needs.items():
            for need in needs:
                users[need].append(name)
        return users

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
