"""The changes: each alters the world, says which images have a reason of their own, and in which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.oracle.ground import BASE, BASES, VERSIONS
from tests.oracle.world import World

Spots = Mapping[str, str]
"""What stands where in the files: `file:line:column` by what it is."""
Words = Callable[[Spots, Spots], str]
"""A reason, from where things stand now and where they stood when the image was built last."""


@dataclass(frozen=True)
class Change:
    """One change, applied already."""

    kind: str
    reasons: Mapping[str, Words] = field(default_factory=dict)
    """Images that must be looked at again for this, each with the words for it."""
    outside: tuple[str, str] | None = None
    """What is done to the store, and to which image."""
    old_times: bool = False
    """Whether what is written is given times of long ago."""


Choose = Callable[[list[str]], str]
Kind = Callable[[World, Choose], Change | None]
"""Applies a change where it can; what it may choose from is put before the second argument."""
KINDS: dict[str, Kind] = {}


def kind(apply: Kind) -> Kind:
    """A kind of change, by the name of its function."""
    KINDS[apply.__name__.replace("_", "-")] = apply
    return apply


def recipe(where: str) -> Words:
    return lambda now, _: f"recipe changed: {now[where]}"


def same(words: str) -> Words:
    return lambda *_: words


def users(world: World) -> list[str]:
    return [name for name, item in world.recipes.items() if item.word is not None]


def unused(taken: object, stem: str) -> str:
    return next(word for number in range(99) if (word := f"{stem}{number}") not in str(taken))


# ── what changes an image ───────────────────────────────────────────────────────────────────────────────────


@kind
def line_added(world: World, choose: Choose) -> Change:
    name = choose([*world.recipes])
    text = unused(world.recipes[name].lines, "added")
    world.recipes[name].lines.append(text)
    return Change("line-added", {name: recipe(f"{name}.line.{text}")})


@kind
def line_changed_under_old_times(world: World, choose: Choose) -> Change | None:
    return _line_changed(world, choose, old_times=True)


@kind
def line_changed(world: World, choose: Choose) -> Change | None:
    return _line_changed(world, choose, old_times=False)


def _line_changed(world: World, choose: Choose, *, old_times: bool) -> Change | None:
    names = [name for name, item in world.recipes.items() if item.lines]
    if not names:
        return None
    name = choose(names)
    lines = world.recipes[name].lines
    lines[0] = text = unused(lines, "edited")
    return Change("line-changed", {name: recipe(f"{name}.line.{text}")}, old_times=old_times)


@kind
def line_removed(world: World, choose: Choose) -> Change | None:
    names = [name for name, item in world.recipes.items() if len(item.lines) > 1]
    if not names:
        return None
    name = choose(names)
    text = world.recipes[name].lines.pop()
    return Change(
        "line-removed", {name: lambda _, then: f"recipe changed: gone from {then[f'{name}.line.{text}']}"}
    )


@kind
def equal_content(world: World, choose: Choose) -> Change:
    name = choose([*world.recipes])
    number = world.recipes[name].again
    world.recipes[name].again += 1
    return Change("equal-content", {name: recipe(f"{name}.again.{number}")})


@kind
def environment(world: World, choose: Choose) -> Change:
    name = choose([*world.recipes])
    env = world.recipes[name].env
    env["A"] = unused(env, "a")
    return Change("environment", {name: recipe(f"{name}.env.A")})


@kind
def parent(world: World, choose: Choose) -> Change | None:
    names = [*world.recipes]
    pairs = [
        f"{name} {other}"
        for name, item in world.recipes.items()
        for other in names[: names.index(name)]
        # Under a lock what an image installs hangs on what it is made from.
        if other != item.parent != "site" and not (item.packages and world.flavour == "locked")
    ]
    if not pairs:
        return None
    name, other = choose(pairs).split()
    world.recipes[name].parent = other
    return Change("parent", {name: recipe(f"{name}.from")})


@kind
def trait_changed(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    world.trait[0] = text = unused(world.trait, "trait")
    return Change(
        "trait-changed",
        {name: lambda now, _: f"trait changed: {now[f'trait.{text}']}" for name in users(world)},
    )


@kind
def trait_given_another_word(world: World, choose: Choose) -> Change | None:
    if not users(world):
        return None
    name = choose(users(world))
    world.recipes[name].word = unused(world.recipes[name].word, "word")
    words = f"recipe changed: it uses {world.home}/traits/word.yaml in another way"
    return Change("trait-given-another-word", {name: same(words)})


@kind
def trait_newly_used(world: World, choose: Choose) -> Change | None:
    names = [name for name in world.recipes if world.recipes[name].word is None]
    if not names:
        return None
    name = choose(names)
    world.recipes[name].word = "newly"
    return Change("trait-newly-used", {name: same(f"recipe changed: it uses {world.home}/traits/word.yaml")})


@kind
def trait_no_longer_used(world: World, choose: Choose) -> Change | None:
    if not users(world):
        return None
    name = choose(users(world))
    world.recipes[name].word = None
    words = f"recipe changed: it no longer uses {world.home}/traits/word.yaml"
    return Change("trait-no-longer-used", {name: same(words)})


def _copiers(world: World, file: str) -> dict[str, Words]:
    words = same(f"file changed: files/{file}")
    return {name: words for name, item in world.recipes.items() if file in item.files}


@kind
def file_changed(world: World, choose: Choose) -> Change:
    return _file_changed(world, choose)


def _file_changed(world: World, choose: Choose) -> Change:
    file = choose([*world.files])
    content, runs = world.files[file]
    world.files[file] = (unused(content, "content"), runs)
    return Change("file-changed", _copiers(world, file))


@kind
def file_changed_under_old_times(world: World, choose: Choose) -> Change:
    return replace(_file_changed(world, choose), old_times=True)


@kind
def file_may_run(world: World, choose: Choose) -> Change:
    file = choose([*world.files])
    content, runs = world.files[file]
    world.files[file] = (content, not runs)
    return Change("file-may-run", _copiers(world, file))


@kind
def overlay(world: World, choose: Choose) -> Change:
    name = choose([*world.recipes])
    world.overlay[name] = unused(world.overlay, "over")
    return Change("overlay", {name: recipe(f"overlay.{name}")})


@kind
def common(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    world.common = unused(world.common, "common")
    return Change("common", dict.fromkeys(world.recipes, recipe("common")))


@kind
def epoch(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    world.epoch += 1
    return Change("epoch", dict.fromkeys(world.recipes, same("epoch changed")))


@kind
def form(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    world.form = "oci" if world.form == "docker" else "docker"
    return Change("form", dict.fromkeys(world.recipes, same("format changed")))


@kind
def base_moved(world: World, choose: Choose) -> Change | None:
    if world.uses_packages:
        return None
    world.base = int(choose([str(number) for number in BASES if number != world.base]))
    roots = [name for name, item in world.recipes.items() if item.parent == "site"]
    return Change("base-moved", dict.fromkeys(roots, same(f"parent changed: {BASE}")))


# ── packages ────────────────────────────────────────────────────────────────────────────────────────────────


def _moved(world: World, what: str, before: dict[str, dict[str, str]]) -> Change:
    """What another content of the repository does: under a lock that follows it, and without."""
    reasons: dict[str, Words] = {}
    for name, item in world.recipes.items():
        if world.flavour == "locked":
            now = world.installs(name)
            rows = [
                f"{key} {before[name][key]}-1 -> {now[key]}-1"
                for key in sorted(now)
                if now[key] != before[name][key]
            ]
            if rows:
                reasons[name] = same("package " + ", ".join(rows))
        elif item.packages or item.parent == "site":
            reasons[name] = same("repository changed (unlocked: any repository change rebuilds)")
    return Change(what, reasons)


def _installed(world: World) -> dict[str, dict[str, str]]:
    return {name: world.installs(name) for name in world.recipes}


@kind
def package_updated(world: World, choose: Choose) -> Change | None:
    if not world.uses_packages:
        return None
    before, held = _installed(world), world.newest()
    names = [name for name in ("leaf", "mid", "tool") if held[name] != VERSIONS[name][-1]]
    if not names:
        return None
    name = choose(names)
    versions = VERSIONS[name]
    following = versions[versions.index(held[name]) + 1]
    world.repository |= {f"{item}-{following}" for item in ((name, "libmid") if name == "mid" else (name,))}
    world.locked = world.newest()
    return _moved(world, "package-updated", before)


@kind
def package_nobody_wants(world: World, choose: Choose) -> Change | None:  # noqa: ARG001 - a Kind
    """Comes when it is not there, and goes when it is."""
    if not world.uses_packages:
        return None
    before = _installed(world)
    world.repository ^= {"other-1.1"}
    world.locked = world.newest()
    return _moved(world, "package-nobody-wants", before)


@kind
def package_asked_for(world: World, choose: Choose) -> Change | None:
    if not world.uses_packages:
        return None
    can = [
        (name, package)
        for name in world.recipes
        for package in ("leaf", "tool", "other")
        # What a child has of its own it would no longer install.
        if package not in world.holds(name)
        and not any(package in item.packages for item in world.recipes.values())
    ]
    if not can:
        return None
    name, package = can[int(choose([str(number) for number in range(len(can))]))]
    world.recipes[name].packages.append(package)
    return Change("package-asked-for", {name: recipe(f"{name}.package.{package}")})


# ── what changes no image ───────────────────────────────────────────────────────────────────────────────────


@kind
def comment(world: World, choose: Choose) -> Change:
    world.recipes[choose([*world.recipes])].comments += 1
    world.trait_comments += 1
    return Change("comment")


@kind
def order_of_keys(world: World, choose: Choose) -> Change:
    world.recipes[choose([*world.recipes])].turn += 1
    return Change("order-of-keys")


@kind
def another_file(world: World, choose: Choose) -> Change:
    item = world.recipes[choose([*world.recipes])]
    item.folder = "" if item.folder else "moved"
    return Change("another-file")


@kind
def touch(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    return Change("touch", outside=("touch", ""))


@kind
def older_times(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    return Change("older-times", outside=("older", ""))


@kind
def another_tag(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    world.tag = str(int(world.tag) + 1)
    return Change("another-tag")


@kind
def another_namespace(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    world.namespace = f"{world.namespace}x"
    return Change("another-namespace")


@kind
def fresh_clone(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    world.home = f"{world.home.removesuffix('demo')}clone/demo"
    return Change("fresh-clone", outside=("clone", ""))


@kind
def another_path(world: World, choose: Choose) -> Change:  # noqa: ARG001 - a Kind
    world.home = f"{world.home.removesuffix('demo')}path/demo"
    return Change("another-path")


# ── what others do to the store ─────────────────────────────────────────────────────────────────────────────


@kind
def image_removed(world: World, choose: Choose) -> Change:
    return Change("image-removed", outside=("remove", choose([*world.recipes])))


@kind
def name_removed(world: World, choose: Choose) -> Change:
    return Change("name-removed", outside=("unname", choose([*world.recipes])))


@kind
def name_moved(world: World, choose: Choose) -> Change:
    return Change("name-moved", outside=("rename", choose([*world.recipes])))


ALONE = {"fresh-clone", "epoch", "form", "common"}
"""Kinds that leave no image for others."""
