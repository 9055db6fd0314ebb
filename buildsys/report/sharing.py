"""What the layers of images take in a store, and which images share them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildsys.storage import Stored


@dataclass(frozen=True, slots=True)
class Share:
    """Layers that one image adds, and that the images made from it have too."""

    image: str
    """The image that adds them; a base image by its reference."""
    layers: tuple[str, ...]
    """Their digests, the lowest first."""
    bytes: int
    images: tuple[str, ...]
    """The images of the set that have them, this one included."""

    @property
    def saved(self) -> int:
        """Bytes that the store saves, since it keeps them once."""
        return self.bytes * max(0, len(self.images) - 1)


@dataclass(frozen=True, slots=True)
class Sharing:
    """The layers of a set."""

    shares: tuple[Share, ...]
    """The ones with the most bytes saved first."""
    own: Mapping[str, int]
    """Image -> bytes that it adds to what it is made from."""
    apart: int
    """Bytes of all images, if each had its own copy of every layer."""

    @property
    def once(self) -> int:
        """Bytes of all layers, each once."""
        return sum(share.bytes for share in self.shares)


def sharing(stored: Mapping[str, Stored], images: Mapping[str, object]) -> Sharing:
    """Find who shares what.

    A store knows the size of each image, not that of each layer. So the layers between an image and the
    longest other image that it begins with are one share, whose size is the difference.

    `stored`: images of the set by name, and base images by reference; `images`: those of the set, parents
    first.
    """
    # Of images with equal layers, the first one adds them: base images first, then parents before children.
    heads: dict[tuple[str, ...], str] = {}
    for name in (*sorted(stored.keys() - images.keys()), *(name for name in images if name in stored)):
        heads.setdefault(stored[name].layers, name)
    added: dict[str, tuple[tuple[str, ...], int]] = {}
    users: dict[str, list[str]] = {name: [] for name in heads.values()}
    own: dict[str, int] = {}
    for layers, name in heads.items():
        below = next((layers[:end] for end in range(len(layers) - 1, -1, -1) if layers[:end] in heads), ())
        size = stored[heads[below]].size if below in heads else 0
        added[name] = (layers[len(below) :], max(0, stored[name].size - size))
    for name in images:
        if name in stored:
            layers = stored[name].layers
            for end in range(1, len(layers) + 1):
                if head := heads.get(layers[:end]):
                    users[head].append(name)
            head = heads[layers]
            own[name] = added[head][1] if head == name else 0
    shares = [
        Share(name, added[name][0], added[name][1], tuple(users[name])) for name in users if users[name]
    ]
    shares.sort(key=lambda share: (-share.saved, -share.bytes, share.image))
    return Sharing(tuple(shares), own, sum(stored[name].size for name in images if name in stored))
