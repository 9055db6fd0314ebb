"""Rings: things that need themselves, by way of others. Traits and images must have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from buildsys.diagnostics import Diagnostic, Spot

Edges = Mapping[str, Mapping[str, Spot]]
"""For each name the names it needs, each with the Spot that says so."""


def rings(edges: Edges) -> Iterator[list[str]]:
    """Rings that share no member, each told from its smallest name on."""
    rest = {name: sorted(needs) for name, needs in sorted(edges.items())}
    while True:
        try:
            TopologicalSorter(rest).prepare()
        except CycleError as error:
            # The ring comes with its first member repeated at the end, each needed by the one before it.
            ring: list[str] = error.args[1][:0:-1]
            start = ring.index(min(ring))
            yield ring[start:] + ring[:start]
            rest = {
                name: [need for need in needs if need not in ring]
                for name, needs in rest.items()
                if name not in ring
            }
        else:
            return


def diagnostic(ring: list[str], edges: Edges, code: str, message: str, hint: str) -> Diagnostic:
    """One mistake for a ring, with the place of each of its edges."""
    pairs = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    related = tuple((edges[name][need], f"'{name}' needs '{need}'") for name, need in pairs[1:])
    first, second = pairs[0]
    round_trip = " → ".join([*ring, ring[0]])
    return Diagnostic(edges[first][second], code, f"{message}: {round_trip}", hint, related)
