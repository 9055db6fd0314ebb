"""Whatever fails, at whichever request: tags are all old or all new; the next run sends what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import pytest

from buildsys.publish.layers import Shelf
from buildsys.publish.task import Patience
from tests.publish.conftest import NAMES, Bench, Running, only, problems
from tests.publish.proxy import FAULTS, Fault, Proxy

pytestmark = pytest.mark.real

ONCE = Patience(tries=1, pause=0.0)


def uploads(proxy: Proxy) -> list[str]:
    """Digests of the blobs that were uploaded whole, mounts not among them."""
    done = [line for line in proxy.requests if line.startswith("PUT") and "/blobs/uploads/" in line]
    return [line.split()[1].rpartition("digest=")[2] for line in done if line.endswith(" 201")]


def tag_requests(proxy: Proxy) -> list[str]:
    return [line for line in proxy.requests if line.startswith("PUT") and "/manifests/1 " in line]


def faults_at(number: int, fault: Fault) -> Callable[[int, str], Fault | None]:
    return lambda count, _: fault if count == number else None


def test_a_fault_at_any_request_is_got_over(
    bench: Bench, registry: Running, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The layers are packed once for all these runs: they are the same ones.
    monkeypatch.setattr(Shelf, "clear", lambda _: None)
    only(bench.publish(f"{proxy.destination}/whole", uploads=1))
    total, wanted = proxy.count, registry.tags("whole")
    assert len(wanted) == len(NAMES)
    assert total > 30
    for number in range(1, total + 1):
        fault = FAULTS[number % len(FAULTS)]
        space = f"n{number}"
        proxy.reset(faults_at(number, fault))
        outcome = only(bench.publish(f"{proxy.destination}/{space}", uploads=1))
        assert registry.tags(space) == wanted, (number, fault)
        sent = uploads(proxy)
        # Blobs of other namespaces are not known to us: each goes once, whatever failed.
        assert len(sent) == len(set(sent)), (number, fault)
        assert outcome.tags == len(NAMES)


@pytest.mark.parametrize("fault", ["cut", "500"])
def test_a_registry_that_goes_away_keeps_its_old_tags(
    bench: Bench, registry: Running, proxy: Proxy, fault: Fault
) -> None:
    only(bench.publish(proxy.destination, uploads=1))
    old = registry.tags()
    try:
        bench.build("-new")
        proxy.reset()
        spare = f"{proxy.destination}/spare"
        only(bench.publish(spare, uploads=1))
        total = proxy.count
        new = registry.tags("spare")
        assert all(new[name] != old[name] for name in old if name != "other:1")
        sent: list[str] = []
        number = 0
        while registry.tags() == old:
            # From the n-th request on nothing answers any more: until tags are moved, all are the old ones.
            number += 1
            assert number <= total
            proxy.reset(lambda count, _, number=number: fault if count >= number else None)  # type: ignore[misc]
            outcome = bench.publish(proxy.destination, uploads=1, patience=ONCE)[0]
            sent += uploads(proxy)
            if tag_requests(proxy):
                break
            assert outcome.mistakes, number
            assert registry.tags() == old, number
        # What went there in any of these runs was not sent again in a later one.
        assert len(sent) == len(set(sent))
        proxy.reset()
        only(bench.publish(proxy.destination, uploads=1))
        assert registry.tags() == new
        assert not set(uploads(proxy)) & set(sent)
    finally:
        bench.build()


def lead(registry: Running, tags: Mapping[str, str]) -> None:
    """Let tags lead there, behind everybody's back."""
    for name, digest in tags.items():
        image, _, tag = name.partition(":")
        place = registry.place / "data/docker/registry/v2/repositories/tests" / f"t-{image}"
        (place / "_manifests/tags" / tag / "current/link").write_text(digest)


@pytest.fixture
def tagging(bench: Bench, registry: Running, proxy: Proxy) -> Iterator[tuple[Mapping[str, str], int]]:
    """All of a new set is at the registry, but its tags: where they lead, and how many requests move them."""
    only(bench.publish(proxy.destination, uploads=1))
    old = registry.tags()
    try:
        bench.build("-new")
        only(bench.publish(proxy.destination, uploads=1))
        lead(registry, old)
        proxy.reset()
        only(bench.publish(proxy.destination, uploads=1))
        moved, total = registry.tags(), proxy.count
        assert sum(moved[name] != old[name] for name in old) == 4
        yield old, total
    finally:
        bench.build()


FATE = re.compile(r"^(moved already|moved perhaps|new)[^:]*: (.*)$")


def named(notes: list[str]) -> dict[str, set[str]]:
    """The tags that notes name, by what became of them."""
    found = [FATE.match(note) for note in notes]
    return {
        match[1]: {re.sub(r"^\S+/t-", "", name) for name in match[2].split(", ")} for match in found if match
    }


@pytest.mark.parametrize("fault", ["cut", "answer lost", "500"])
def test_a_fault_while_tags_are_moved(
    bench: Bench, registry: Running, proxy: Proxy, tagging: tuple[Mapping[str, str], int], fault: Fault
) -> None:
    old, total = tagging
    for number in range(1, total + 1):
        # Once: what was moved is put back, known of or not.
        lead(registry, old)
        proxy.reset(faults_at(number, fault))
        outcome = bench.publish(proxy.destination, uploads=1, patience=ONCE)[0]
        assert problems([outcome]), number
        assert registry.tags() == old, number
        assert named(outcome.notes) == {}, number
        # From there on: what cannot be put back is named.
        proxy.reset(lambda count, _, number=number: fault if count >= number else None)  # type: ignore[misc]
        outcome = bench.publish(proxy.destination, uploads=1, patience=ONCE)[0]
        now = registry.tags()
        changed = {name for name in old if now[name] != old[name]}
        told = named(outcome.notes)
        assert told.get("moved already", set()) <= changed, number
        assert changed <= set().union(*told.values()), number
        # Nobody goes on moving tags when one could not be moved.
        assert len(set().union(*told.values()) - told.get("moved already", set())) <= 1, number
    lead(registry, old)
    proxy.reset()
    only(bench.publish(proxy.destination, uploads=1))


def test_a_tag_that_may_not_be_moved_moves_none(bench: Bench, registry: Running, proxy: Proxy) -> None:
    only(bench.publish(proxy.destination))
    old = registry.tags()
    try:
        bench.build("-new")
        proxy.reset(lambda _, request: "403" if request == "PUT /v2/tests/t-two/manifests/1" else None)
        outcome = bench.publish(proxy.destination, uploads=1)[0]
        assert problems([outcome]) == (
            f"error: {proxy.host} refuses to move the tag tests/t-two:1: status 403 [tag-protected]"
        )
        assert outcome.notes == ["3 tags were moved and have been put back"]
        assert registry.tags() == old
        proxy.reset()
        assert only(bench.publish(proxy.destination)).tags == 4
        assert uploads(proxy) == []
    finally:
        bench.build()
