"""The graph of an image set, drawn: a tree to read, Graphviz, Mermaid, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from buildsys.image import Image, ParentImage

if TYPE_CHECKING:
    from rich.tree import Tree


def tree(title: str, images: Sequence[Image]) -> Tree:
    """Each image below its parent; what else it reads stands beside it. Parents come before children."""
    from rich.tree import Tree

    top = Tree(title)
    branches: dict[str, Tree] = {}
    for image in images:
        parent = image.parent.name if isinstance(image.parent, ParentImage) else ""
        # A parent that was not chosen leaves its children at the top, with its name.
        at = branches.get(parent, top)
        label = image.name if at is not top or not parent else f"{image.name} (from {parent})"
        others = [name for name in image.dependencies() if name != parent]
        branches[image.name] = at.add(f"{label} (copies from {', '.join(others)})" if others else label)
    return top


def dot(title: str, images: Iterable[Image]) -> str:
    """For Graphviz: an arrow from each image to what is made from it, dashed where it only copies."""
    lines = [f"digraph {json.dumps(title)} {{", "  rankdir=LR;", "  node [shape=box];"]
    for image in images:
        lines.append(f'  "{image.name}";')
        lines += [
            f'  "{read}" -> "{image.name}"{"" if kind == "from" else " [style=dashed]"};'
            for read, kind in reads(image)
        ]
    return "\n".join([*lines, "}"])


def mermaid(title: str, images: Iterable[Image]) -> str:
    """For Mermaid: as in `dot`."""
    lines = ["---", f"title: {json.dumps(title)}", "---", "flowchart LR"]
    for image in images:
        lines.append(f'  {_identifier(image.name)}["{image.name}"]')
        for read, kind in reads(image):
            arrow = "-->" if kind == "from" else "-.->"
            lines.append(f"  {_identifier(read)} {arrow} {_identifier(image.name)}")
    return "\n".join(lines)


def as_json(title: str, images: Iterable[Image]) -> str:
    """For programs: the images, parents before children, and what each is made from."""
    nodes = [
        {"image": image.name, "reads": [{"image": read, "as": kind} for read, kind in reads(image)]}
        for image in images
    ]
    return json.dumps({"set": title, "images": nodes}, indent=1)


def reads(image: Image) -> list[tuple[str, str]]:
    """What an image is made from: each name, with `from` or `copy`."""
    parent = image.parent.name if isinstance(image.parent, ParentImage) else ""
    return [(name, "from" if name == parent else "copy") for name in image.dependencies()]


def _identifier(name: str) -> str:
    """A name Mermaid takes for a node: it gives words like `end` and signs like `.` a meaning of its own."""
    return "image_" + "".join(char if char.isalnum() else f"_{ord(char):x}_" for char in name)
