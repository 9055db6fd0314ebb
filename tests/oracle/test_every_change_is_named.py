"""Any changes at once: each of them is named by the reason, with its kind, and nothing else is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildsys.image import ImageSet, Repository, Transaction
from tests.oracle.test_reasons import locked
from tests.oracle.test_reasons_of_sets import Tiny, prepared

Change = tuple[Callable[[Tiny], object], str, Callable[[Tiny], str]]
"""What is done, and how it is told once it is: the kind, and what is named."""


class World(Tiny):
    """The set, whose base installs two packages under a lock."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.versions = {"bash": "1", "sed": "1"}
        (place / "repo/p").mkdir(parents=True)

    def resolved(self, *overlays: str, at: str | None = None, **variables: str) -> ImageSet:
        overlays = tuple(name for name in ("over.yaml", "more.yaml") if (self.place / name).exists())
        made = super().resolved(*overlays, at=at, **variables)
        packages = tuple(locked(name, version) for name, version in self.versions.items())
        folder = self.place.parent / "repo"
        for item in packages:
            (folder / item.location).touch()
        base = made.images["base"]
        step = Transaction(packages=packages, requested=(), spot=base.spot)
        site = replace(made.site, locked=True, repositories=(Repository("os", str(folder), "", "", ""),))
        base = replace(base, instructions=(step, *base.instructions))
        return replace(made, site=site, images={**made.images, "base": base})

    def where(self, name: str, text: str) -> str:
        """The place of a text that a file holds once."""
        before, found, _ = (self.place / name).read_text().partition(text)
        assert found
        line = before.count("\n") + 1
        return f"{name}:{line}:{len(before.rpartition(chr(10))[2]) + 1}"


def edit(name: str, old: str, new: str) -> Callable[[Tiny], object]:
    return lambda world: world.edit(name, old, new)


def write(name: str, text: str) -> Callable[[Tiny], object]:
    return lambda world: world.write(name, text)


def at(name: str, text: str) -> Callable[[World], str]:
    return lambda world: world.where(name, text)


def word(text: str) -> Callable[[World], str]:
    return lambda _: text


BASE, SAYS = "images/base.yaml", "traits/says.yaml"
RECIPE = "recipe changed"
CHANGES: dict[str, tuple[Callable[[World], object], str, Callable[[World], str]]] = {
    "a package moved": (lambda world: world.versions.update(bash="2"), "package", word("bash 1-1 -> 2-1")),
    "a package came": (lambda world: world.versions.update(awk="1"), "package", word("awk 1-1 added")),
    "a package went": (lambda world: world.versions.pop("sed"), "package", word("sed 1-1 removed")),
    "a variable": (
        edit("set.yaml", "colour: red", "colour: blue"), "variable changed",
        lambda world: f"colour red -> blue ({world.where('set.yaml', 'blue')})",
    ),
    "a variable of a trait": (
        edit("set.yaml", "[one, two]", "[one, six]"), "variable changed",
        lambda world: f"words one two -> one six ({world.where('set.yaml', '[one')})",
    ),
    "a value": (edit(BASE, 'A: "1"', 'A: "2"'), RECIPE, at(BASE, '"2"')),
    "a label": (edit(BASE, "env:", "labels: {new: label}\nenv:"), RECIPE, at(BASE, "label}")),
    "a new step": (edit(BASE, "steps:\n", "steps:\n  - mkdir: /new\n"), RECIPE, at(BASE, "mkdir: /new")),
    "a step changed": (edit(BASE, "/tree\n  - copy", "/tree\n  - {touch: /x}\n  - copy"), RECIPE,
                       at(BASE, "{touch: /x}")),
    "a step gone": (edit(BASE, "  - touch: /going\n", ""), RECIPE, word(f"gone from {BASE}:11:5")),
    "a line of a trait": (edit(SAYS, "steps:\n", "steps:\n  - mkdir: /said\n"), "trait changed",
                          at(SAYS, "mkdir: /said")),
    "a file": (write("files/one", "another\n"), "file changed", word("files/one")),
    "a file that may run": (lambda world: (world.place / "files/tree/sub/b").chmod(0o755), "file changed",
                            word("files/tree/sub/b")),
    "a file more": (write("files/tree/new", "new\n"), "file added", word("files/tree/new")),
    "a file less": (lambda world: (world.place / "files/tree/less").unlink(), "file removed",
                    word("files/tree/less")),
    "a file by another name": (lambda world: (world.place / "files/tree/a").rename(
        world.place / "files/tree/z"), "file renamed", word("files/tree/a -> files/tree/z")),
    "an overlay": (write("more.yaml", "overlay: more\nimages: {base: {env: {MORE: yes it is}}}\n"), RECIPE,
                   at("more.yaml", "yes it is")),
    "no overlay": (lambda world: (world.place / "over.yaml").unlink(), "overlay removed", word("over.yaml")),
    "the epoch": (edit("set.yaml", "epoch: 1517443200", "epoch: 1517443201"), "epoch changed", word("")),
    "the format": (edit("set.yaml", "site: near", "site: near\nformat: oci"), "format changed", word("")),
}  # fmt: skip


@settings(
    max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
@given(names=st.sets(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=6))
def test_every_change_is_named(names: Collection[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="w-") as place:
        world = World(Path(place))
        world.write("files/tree/less", "less\n")
        world.write("over.yaml", 'overlay: over\nimages: {base: {env: {A: "9"}}}\n')
        world.write(BASE, (world.place / BASE).read_text() + "  - touch: /going\n")
        prepared(world)
        names = set(names)
        if "no overlay" not in names:
            # What the overlay says counts, whatever the recipe says below it.
            names -= {"a value"}
        if not names:
            return
        for name in sorted(names):
            CHANGES[name][0](world)
        reason = world.reasons(whole=True)["base"]
        wanted: dict[str, set[str]] = {}
        for name in names:
            _, kind, what = CHANGES[name]
            wanted.setdefault(kind, set()).add(what(world))
        if "no overlay" in names:
            # The value is the recipe's again.
            wanted.setdefault(RECIPE, set()).add(world.where(BASE, '"2"' if "a value" in names else '"1"'))
        assert told(reason) == wanted, sorted(names)
        assert not any(" package " in part for part in reason.split("; ")[1:])


def told(reason: str) -> dict[str, set[str]]:
    """The kinds of a reason, each with what it names."""
    found = {}
    for part in reason.split("; "):
        kind, colon, what = part.partition(": ")
        if not colon:
            kind, _, what = part.partition(" ") if part.startswith("package ") else (part, "", "")
        found[kind] = set(what.split(", "))
    return found
