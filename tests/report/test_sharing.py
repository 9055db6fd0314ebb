"""Which images share which layers."""

from __future__ import annotations

from buildsys.report.sharing import Share, Sharing, sharing
from buildsys.storage import Stored


def shared(images: list[str], **stored: Stored) -> Sharing:
    return sharing({name.replace("_", "-"): item for name, item in stored.items()}, dict.fromkeys(images))


def test_an_image_adds_what_is_above_the_image_it_is_made_from() -> None:
    found = shared(
        ["base", "app", "side"],
        base=Stored(100, ("a",)),
        app=Stored(130, ("a", "b")),
        side=Stored(150, ("a", "c", "d")),
    )
    assert found.shares == (
        Share("base", ("a",), 100, ("base", "app", "side")),
        Share("side", ("c", "d"), 50, ("side",)),
        Share("app", ("b",), 30, ("app",)),
    )
    assert found.shares[0].saved == 200
    assert found.own == {"base": 100, "app": 30, "side": 50}
    assert (found.once, found.apart) == (180, 380)


def test_layers_of_a_base_image_are_its_own_and_not_of_the_first_image_on_it() -> None:
    found = shared(
        ["one", "two"], zzz=Stored(100, ("a",)), one=Stored(110, ("a", "b")), two=Stored(120, ("a", "c"))
    )
    assert found.shares[0] == Share("zzz", ("a",), 100, ("one", "two"))
    assert found.own == {"one": 10, "two": 20}
    assert (found.once, found.apart) == (130, 230)


def test_equal_layers_belong_to_the_image_that_comes_first() -> None:
    found = shared(["one", "again"], again=Stored(100, ("a",)), one=Stored(100, ("a",)))
    assert found.own == {"one": 100, "again": 0}
    assert found.shares == (Share("one", ("a",), 100, ("one", "again")),)


def test_a_missing_image_leaves_its_layers_to_its_children() -> None:
    found = shared(["base", "app"], app=Stored(130, ("a", "b")))
    assert found.shares == (Share("app", ("a", "b"), 130, ("app",)),)
    assert found.own == {"app": 130}


def test_an_image_without_layers_adds_nothing() -> None:
    found = shared(["empty"], empty=Stored(0, ()))
    assert (found.own, found.once) == ({"empty": 0}, 0)
