"""Mistakes of the graph: rings, and chains of images that are too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.image import BaseImage, Image, ParentImage

Edges = Mapping[str, Mapping[str, Spot]]
"""Name -> the names that it needs, each with the Spot of that reference."""

LAYERS = 128
"""Layers of an image at most: the overlay driver mounts no more, and neither do other engines."""


def long_chains(images: Mapping[str, Image]) -> Iterator[Diagnostic]:
    """A mistake for each image that is the first of its chain with too many layers.

    Each image is a layer at least. A base image has one at least: how many more is known when it is built on.
    """
    layers = _layers(images)
    deepest = {name: name for name in layers}
    # Children before parents.
    for name in sorted(layers, key=lambda name: (-layers[name], name)):
        parent = images[name].parent
        if isinstance(parent, ParentImage) and parent.name in layers:
            further = max(deepest[parent.name], deepest[name], key=lambda found: layers[found])
            deepest[parent.name] = further
    for name in sorted(name for name, count in layers.items() if count == LAYERS + 1):
        last = deepest[name]
        chain = [last]
        while isinstance(parent := images[chain[-1]].parent, ParentImage):
            chain.append(parent.name)
        most = f"{layers[last]} layers or more, of which {LAYERS} are possible"
        message = f"a chain of {len(chain)} images has {most}"
        hint = "let some of them be one image; the chain: " + " → ".join(reversed(chain))
        yield Diagnostic(images[name].parent_spot, Code.LONG_CHAIN, message, hint)


def _layers(images: Mapping[str, Image]) -> dict[str, int]:
    """The number of layers of each image, at least; images in rings or without a parent are left out."""
    layers: dict[str, int] = {}
    for first in images:
        chain = [first] if first not in layers else []
        while chain:
            parent = images[chain[-1]].parent
            if not isinstance(parent, ParentImage):
                below = 1 if isinstance(parent, BaseImage) else 0
            elif parent.name in layers:
                below = layers[parent.name]
            elif parent.name in images and parent.name not in chain:
                chain.append(parent.name)
                continue
            else:
                break
            layers |= {name: below + count for count, name in enumerate(reversed(chain), 1)}
            break
    return layers


def diagnostic(ring: list[str], edges: Edges, code: Code, message: str, hint: str) -> Diagnostic:
    """One mistake for a ring, with the place of each of its edges."""
    pairs = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    related = tuple((edges[name][need], f"'{name}' needs '{need}'") for name, need in pairs[1:])
    first, second = pairs[0]
    round_trip = " → ".join([*ring, ring[0]])
    return Diagnostic(edges[first][second], code, f"{message}: {round_trip}", hint, related)
