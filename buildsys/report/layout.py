"""The layout of a graph of images: a tree from left to right, folded into columns where it is wide.

Image sets are wide and shallow trees: a hundred leaves, four levels. One leaf a row would be a strip that no
screen shows. So an image whose tree is taller than a limit becomes the heading of a block, and its children
flow through columns below it. Of several limits, the one whose picture is largest on a screen is taken.

Coordinates are in pixels, from the top left corner.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

ROW, NODE = 26, 20
"""Height of a row, and of a node in it."""
LETTERS = dict.fromkeys("fijlrt.,:-I ", 4.9) | dict.fromkeys("mwMW@%", 11.2)
LETTER, PADDING = 7.2, 28
"""Widths of letters in a wide font, of all others, and of what surrounds a name in its node."""
GAP, GUTTER, INDENT = 26, 22, 18
"""Between a parent and its children, between columns, before the first column of a block."""
LEAST = 6
"""Rows of a column that is worth one."""
SHAPE = 1.7
"""Width : height of the part of a screen that shows the picture."""


@dataclass(frozen=True, slots=True)
class Node:
    """An image in the picture."""

    name: str
    x: float
    y: float
    """Of its top left corner."""
    width: float

    @property
    def middle(self) -> float:
        """The height of its centre."""
        return self.y + NODE / 2


@dataclass(frozen=True, slots=True)
class Link:
    """A line from an image to one that is made from it, or copies from it."""

    source: str
    target: str
    path: str
    """As the attribute `d` of an SVG path."""
    copies: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    """Parents first."""
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class _Block:
    """A laid-out tree, at the origin."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    """The root first."""
    links: tuple[tuple[str, str, tuple[tuple[float, float], ...]], ...]
    """Source, target and corners of each line."""

    def moved(self, x: float, y: float) -> _Block:
        nodes = tuple(Node(node.name, node.x + x, node.y + y, node.width) for node in self.nodes)
        links = tuple(
            (source, target, tuple((a + x, b + y) for a, b in corners))
            for source, target, corners in self.links
        )
        return _Block(self.width, self.height, nodes, links)


def layout(needs: Mapping[str, Sequence[str]], parents: Mapping[str, str]) -> Layout:
    """Lay images out.

    `needs`: name -> the images it needs, parents before children; the first is the one it is drawn under.
    `parents`: name -> the image it is made from; of the others, it only copies.
    """
    children: dict[str, list[str]] = {"": []}
    for name, others in needs.items():
        children[name] = []
        children[others[0] if others else ""].append(name)
    rows = _rows(needs, children)
    best, least = _stack([], 0), math.inf
    for limit in _limits(rows[""]):
        block = _forest(needs, children, rows, limit)
        extent = max(block.width / SHAPE, block.height)
        if extent < least:
            best, least = block, extent
    return _finished(best, needs, parents)


def _limits(rows: int) -> Iterable[int]:
    """Numbers of rows to try, the most first: between two of them lie some ten percent."""
    limit = rows
    while limit > LEAST:
        yield limit
        limit = min(limit - 1, int(limit * 0.9))
    yield max(limit, 1)


def _rows(needs: Mapping[str, Sequence[str]], children: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many rows the tree of each image takes without columns; of all trees under the empty name."""
    rows: dict[str, int] = {}
    for name in [*reversed([*needs]), ""]:
        rows[name] = max(1, sum(rows[child] for child in children[name]))
    return rows


def _forest(
    needs: Mapping[str, Sequence[str]],
    children: Mapping[str, Sequence[str]],
    rows: Mapping[str, int],
    limit: int,
) -> _Block:
    blocks: dict[str, _Block] = {}
    for name in reversed([*needs]):
        # What is folded comes last: it would part its siblings from one another.
        inner = [
            blocks.pop(child)
            for child in sorted(children[name], key=lambda child: (rows[child] > limit, child))
        ]
        blocks[name] = _tree(name, inner, limit)
    return _stack([blocks[name] for name in sorted(blocks)], limit)


def _tree(name: str, inner: Sequence[_Block], limit: int) -> _Block:
    width = round(sum(LETTERS.get(letter, LETTER) for letter in name) + PADDING, 1)
    if not inner:
        return _Block(width, ROW, (Node(name, 0, (ROW - NODE) / 2, width),), ())
    if sum(block.height for block in inner) <= limit * ROW:
        return _beside(name, width, inner)
    return _below(name, width, inner, limit)


def _beside(name: str, width: float, inner: Sequence[_Block]) -> _Block:
    """The children in one column to the right; the parent stands at the height of the first."""
    placed, y = [], 0.0
    for block in inner:
        placed.append(block.moved(width + GAP, y))
        y += block.height
    node = Node(name, 0, placed[0].nodes[0].y, width)
    bus = width + GAP / 2
    links = [
        (name, block.nodes[0].name, _corners((width, node.middle), bus, block.nodes[0])) for block in placed
    ]
    return _joined(node, placed, links, width + GAP + max(block.width for block in inner), y)


def _below(name: str, width: float, inner: Sequence[_Block], limit: int) -> _Block:
    """The children in several columns below; a line runs along the top of these."""
    node = Node(name, 0, (ROW - NODE) / 2, width)
    placed, links = [], []
    x, bottom = float(INDENT), 0.0
    for number, column in enumerate(_columns(inner, limit)):
        y = float(ROW + 4)
        bus = x - GUTTER / 2 if number else INDENT / 2
        for block in column:
            there = block.moved(x, y)
            head = there.nodes[0]
            corners: tuple[tuple[float, float], ...]
            if number:
                corners = (
                    (width, node.middle),
                    (bus, node.middle),
                    (bus, head.middle),
                    (head.x, head.middle),
                )
            else:
                corners = ((bus, node.y + NODE), (bus, head.middle), (head.x, head.middle))
            placed.append(there)
            links.append((name, head.name, corners))
            y += block.height
        bottom = max(bottom, y)
        x += max(block.width for block in column) + GUTTER
    return _joined(node, placed, links, max(width, x - GUTTER), bottom + 4)


def _columns(inner: Sequence[_Block], limit: int) -> list[list[_Block]]:
    """Blocks in columns of about equal height: as many as the limit asks for, each as low as can be."""
    highest = max(limit * ROW, *(block.height for block in inner))
    count = len(_flow(inner, highest))
    step = ROW
    while (
        highest - step >= max(block.height for block in inner) and len(_flow(inner, highest - step)) == count
    ):
        highest -= step
    return _flow(inner, highest)


def _flow(inner: Sequence[_Block], highest: float) -> list[list[_Block]]:
    columns: list[list[_Block]] = [[]]
    height = 0.0
    for block in inner:
        if columns[-1] and height + block.height > highest:
            columns.append([])
            height = 0.0
        columns[-1].append(block)
        height += block.height
    return columns


def _stack(trees: Sequence[_Block], limit: int) -> _Block:
    """Trees without a common root."""
    placed, x, bottom = [], 0.0, 0.0
    for column in _columns(trees, limit) if trees else []:
        y = 0.0
        for block in column:
            placed.append(block.moved(x, y))
            y += block.height
        bottom = max(bottom, y)
        x += max(block.width for block in column) + GUTTER
    nodes = tuple(node for block in placed for node in block.nodes)
    return _Block(max(x - GUTTER, 0), bottom, nodes, tuple(link for block in placed for link in block.links))


def _joined(
    node: Node,
    inner: Sequence[_Block],
    links: Sequence[tuple[str, str, tuple[tuple[float, float], ...]]],
    width: float,
    height: float,
) -> _Block:
    nodes = (node, *(each for block in inner for each in block.nodes))
    return _Block(width, height, nodes, (*links, *(link for block in inner for link in block.links)))


def _corners(start: tuple[float, float], bus: float, head: Node) -> tuple[tuple[float, float], ...]:
    if start[1] == head.middle:
        return (start, (head.x, head.middle))
    return (start, (bus, start[1]), (bus, head.middle), (head.x, head.middle))


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────


def _finished(block: _Block, needs: Mapping[str, Sequence[str]], parents: Mapping[str, str]) -> Layout:
    margin = 8
    moved = block.moved(margin, margin)
    places = {node.name: node for node in moved.nodes}
    links = [
        Link(source, target, _rounded(corners), copies=parents.get(target) != source)
        for source, target, corners in moved.links
    ]
    links += [
        Link(other, name, _curve(places[other], places[name]), copies=True)
        for name, others in needs.items()
        for other in others[1:]
    ]
    nodes = tuple(places[name] for name in needs)
    return Layout(moved.width + 2 * margin, moved.height + 2 * margin, nodes, tuple(links))


def _rounded(corners: Sequence[tuple[float, float]], radius: float = 5) -> str:
    """A line with right angles, its corners rounded."""
    path = f"M{_number(corners[0][0])} {_number(corners[0][1])}"
    for (ax, ay), (bx, by), (cx, cy) in zip(corners, corners[1:], corners[2:], strict=False):
        before = min(radius, math.dist((ax, ay), (bx, by)) / 2)
        after = min(radius, math.dist((bx, by), (cx, cy)) / 2)
        start = _towards((bx, by), (ax, ay), before)
        end = _towards((bx, by), (cx, cy), after)
        path += f"L{start}Q{_number(bx)} {_number(by)} {end}"
    return path + f"L{_number(corners[-1][0])} {_number(corners[-1][1])}"


def _towards(start: tuple[float, float], end: tuple[float, float], length: float) -> str:
    whole = math.dist(start, end) or 1
    x, y = (a + (b - a) * length / whole for a, b in zip(start, end, strict=True))
    return f"{_number(x)} {_number(y)}"


def _curve(source: Node, target: Node) -> str:
    """A curve between two nodes that are far from each other in the tree."""
    ax, ay, bx, by = source.x + source.width, source.middle, target.x, target.middle
    if bx > ax:
        bend = max(40.0, (bx - ax) / 2)
        numbers = (ax, ay, ax + bend, ay, bx - bend, by, bx, by)
    else:
        # One stands above the other: around both, on the right.
        bx += target.width
        out = max(ax, bx) + 24
        numbers = (ax, ay, out, ay, out, by, bx, by)
    return "M{} {}C{} {} {} {} {} {}".format(*map(_number, numbers))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
