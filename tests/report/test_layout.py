"""Where images are drawn."""

from __future__ import annotations

import re
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from buildsys.report.layout import NODE, SHAPE, Layout, Node, layout


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Images that need earlier ones: the first need is the parent."""
    count = draw(st.integers(0, 40))
    names = [f"image-{number}" for number in range(count)]
    return {
        name: draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=3)) if number else []
        for number, name in enumerate(names)
    }


def parents_of(needs: dict[str, list[str]]) -> dict[str, str]:
    return {name: others[0] for name, others in needs.items() if others}


def apart(one: Node, other: Node) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + NODE <= other.y
        or other.y + NODE <= one.y
    )


@given(graphs())
def test_every_image_is_drawn_once_inside_of_the_picture_and_over_no_other(
    needs: dict[str, list[str]],
) -> None:
    drawn = layout(needs, parents_of(needs))
    assert [node.name for node in drawn.nodes] == [*needs]
    for node in drawn.nodes:
        assert 0 <= node.x <= node.x + node.width <= drawn.width
        assert 0 <= node.y <= node.y + NODE <= drawn.height
    for one, other in combinations(drawn.nodes, 2):
        assert apart(one, other), (one, other)


@given(graphs())
def test_every_need_is_a_line_between_the_edges_of_two_images(needs: dict[str, list[str]]) -> None:
    drawn = layout(needs, parents_of(needs))
    places = {node.name: node for node in drawn.nodes}
    assert sorted((link.source, link.target, link.copies) for link in drawn.links) == sorted(
        (other, name, number > 0) for name, others in needs.items() for number, other in enumerate(others)
    )
    for link in drawn.links:
        *start, _, _ = numbers = [float(number) for number in re.findall(r"-?[\d.]+", link.path)]
        source, target = places[link.source], places[link.target]
        sides = (target.x, target.x + target.width) if link.copies else (target.x,)
        assert numbers[-2:] in [[round(side, 1), round(target.middle, 1)] for side in sides]
        below = start[1] == round(source.y + NODE, 1) and source.x < start[0] < source.x + source.width
        assert below or start[:2] == [round(source.x + source.width, 1), round(source.middle, 1)]


def test_an_image_that_only_copies_is_drawn_below_what_it_copies_from_by_a_dashed_line() -> None:
    (link,) = layout({"tool": [], "app": ["tool"]}, {}).links
    assert link.copies


def test_a_wide_tree_has_the_shape_of_a_screen() -> None:
    drawn = wide(400)
    assert SHAPE / 1.5 < drawn.width / drawn.height < SHAPE * 1.5


def test_a_small_tree_is_not_folded() -> None:
    drawn = wide(4)
    assert len({node.x for node in drawn.nodes[1:]}) == 1


def test_children_stand_in_the_order_of_their_names_from_column_to_column() -> None:
    drawn = wide(60)
    children = sorted(drawn.nodes[1:], key=lambda node: (node.x, node.y))
    assert [node.name for node in children] == sorted(node.name for node in children)


def test_a_name_has_room() -> None:
    """In DejaVu Sans, the widest of the usual fonts, at 11.5 pixels."""
    for name in ("memcached", "mmmmmmmmmm", "iiiiiiiiii", "a-b.c_d", "wwwwwwww"):
        (node,) = layout({name: []}, {}).nodes
        width = sum({"m": 11.2, "w": 9.4, "i": 3.2, "-": 4.2, ".": 3.7}.get(letter, 7.3) for letter in name)
        assert node.width >= 21 + width + 3, name


def test_a_chain_as_long_as_a_set_may_have_is_drawn() -> None:
    names = [f"i{number}" for number in range(300)]
    needs = {name: [names[number - 1]] if number else [] for number, name in enumerate(names)}
    drawn = layout(needs, parents_of(needs))
    assert len(drawn.links) == 299


def wide(count: int) -> Layout:
    needs = {"base": [], **{f"child-{number:03}": ["base"] for number in range(count)}}
    return layout(needs, parents_of(needs))
