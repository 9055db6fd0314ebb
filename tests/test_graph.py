from __future__ import annotations

import itertools
import subprocess
import sys

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildsys.diagnostics import Refused
from buildsys.graph import ImageGraph, reach, rings
from buildsys.image import BaseImage, CopyImage, Image, ImageReference, OciConfig, ParentImage

Needs = dict[str, list[str]]


def graph(needs: Needs, profiles: dict[str, tuple[str, ...]] | None = None) -> ImageGraph:
    """A graph whose images need others: the first is the parent, the rest are copied from."""
    return ImageGraph({name: image(name, *others) for name, others in needs.items()}, profiles)


def image(name: str, parent: str = "", *others: str) -> Image:
    return Image(
        name=name,
        reference=ImageReference("localhost", "example", "", name, "latest"),
        parent=ParentImage(parent) if parent else BaseImage("example.org/base:1"),
        instructions=tuple(CopyImage(other, "/a", "/a", "", "") for other in others),
        config=OciConfig(),
    )


PIKE: Needs = {
    "base": [], "cron": ["base"], "nova-base": ["base"], "nova-api": ["nova-base"],
    "nova-compute": ["nova-base", "cron"], "etcd": ["base"],
}  # fmt: skip


@st.composite
def acyclic(draw: st.DrawFn) -> Needs:
    names = [f"i{number}" for number in range(draw(st.integers(1, 12)))]
    shuffled = draw(st.permutations(names))
    return {
        name: draw(st.lists(st.sampled_from(shuffled[:place]), unique=True, max_size=3)) if place else []
        for place, name in enumerate(shuffled)
    }


@given(acyclic())
def test_order_keeps_to_what_is_needed_and_to_names(needs: Needs) -> None:
    order = graph(needs).order()
    assert sorted(order) == sorted(needs)
    for place, name in enumerate(order):
        done = set(order[:place])
        assert done >= set(needs[name])
        free = [other for other in needs if other not in done and done >= set(needs[other])]
        assert name == min(free)


@given(acyclic())
def test_order_does_not_depend_on_how_images_come(needs: Needs) -> None:
    assert graph(needs).order() == graph(dict(reversed(needs.items()))).order()


@given(acyclic())
def test_waves_are_as_early_as_can_be(needs: Needs) -> None:
    waves = graph(needs).waves()
    place = {name: number for number, wave in enumerate(waves) for name in wave}
    for name, others in needs.items():
        assert place[name] == max((place[other] + 1 for other in others), default=0)
    assert all(list(wave) == sorted(wave) for wave in waves)


@given(acyclic())
def test_ancestors_and_descendants_are_two_sides_of_one_thing(needs: Needs) -> None:
    images = graph(needs)
    network: nx.DiGraph[str] = nx.DiGraph((need, name) for name, others in needs.items() for need in others)
    network.add_nodes_from(needs)
    for name in needs:
        assert images.ancestors(name) == nx.ancestors(network, name)
        assert images.descendants(name) == nx.descendants(network, name)


@given(
    acyclic(), st.dictionaries(st.sampled_from([f"i{number}" for number in range(12)]), st.integers(1, 100))
)
def test_remaining_is_the_longest_way_to_the_end(needs: Needs, seconds: dict[str, float]) -> None:
    images = graph(needs)
    remaining = images.remaining(seconds)
    known = {name: value for name, value in seconds.items() if name in needs}
    usual = sum(known.values()) / len(known) if known else 1.0
    for name in needs:
        after = [remaining[child] for child in images.children_of(name)]
        assert remaining[name] == pytest.approx(known.get(name, usual) + max(after, default=0))
    path = images.critical_path(seconds)
    assert remaining[path[0]] == max(remaining.values())
    assert sum(known.get(name, usual) for name in path) == pytest.approx(remaining[path[0]])
    assert all(former in needs[latter] for former, latter in itertools.pairwise(path))


def test_neighbours() -> None:
    images = graph(PIKE)
    assert images.parents_of("nova-compute") == ("nova-base", "cron")
    assert images.children_of("base") == ("cron", "etcd", "nova-base")


@pytest.mark.parametrize(
    ("patterns", "options", "names"),
    [
        ([], {}, "base cron etcd nova-base nova-api nova-compute"),
        (["nova-api"], {}, "base nova-base nova-api"),
        (["nova-api"], {"parents": False}, "nova-api"),
        (["nova-*"], {"parents": False}, "nova-base nova-api nova-compute"),
        (["cron"], {"parents": False, "children": True}, "cron nova-compute"),
        (["cron"], {"children": True}, "base cron nova-base nova-compute"),
        (["@small", "etc?"], {"parents": False}, "cron etcd"),
        (["[ce]*"], {"parents": False}, "cron etcd"),
    ],
)
def test_select(patterns: list[str], options: dict[str, bool], names: str) -> None:
    images = graph(PIKE, {"small": ("cron",)})
    assert " ".join(images.select(patterns, **options)) == names


def test_every_pattern_that_means_nothing_is_told() -> None:
    with pytest.raises(Refused) as refused:
        graph(PIKE, {"small": ("cron",)}).select(["nova-ap", "@smal", "base", "x*"])
    assert {item.code for item in refused.value.diagnostics} == {"no-match"}
    assert len(refused.value.diagnostics) == 3
    assert "did you mean 'nova-api'" in refused.value.text()
    assert "did you mean '@small'" in refused.value.text()


def test_an_empty_profile_selects_nothing() -> None:
    assert graph(PIKE, {"none": ()}).select(["@none"]) == ()


def test_a_ring_or_a_hole_is_no_graph() -> None:
    with pytest.raises(ValueError, match="cycle"):
        graph({"a": ["b"], "b": ["a"]})
    with pytest.raises(ValueError, match="a needs b"):
        graph({"a": ["b"]})


def test_ordering_and_selecting_do_not_open_networkx() -> None:
    code = (
        "import sys; from buildsys.graph import ImageGraph; g = ImageGraph({});"
        "g.order(); g.select(); g.remaining(); assert 'networkx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), unique=True, max_size=3))
)
def test_rings_share_no_member_and_leave_none(found: Needs) -> None:
    needs = {name: found.get(name, []) for name in "abcdef"}
    taken: set[str] = set()
    for ring in rings(needs):
        assert ring[0] == min(ring)
        assert taken.isdisjoint(ring)
        assert all(later in needs[former] for former, later in zip(ring, [*ring[1:], ring[0]], strict=True))
        taken.update(ring)
    rest = {name: [other for other in others if other not in taken] for name, others in needs.items()}
    assert all(name not in reach([name], rest) for name in rest.keys() - taken)
