"""The words of a reason, each as it is said, by `why` and the build alike; on a store that is fake."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.diagnostics import NOWHERE, Spot
from buildsys.image import (
    BaseImage,
    CopyContext,
    EmptyRoot,
    ImageSet,
    Install,
    Instruction,
    LockedPackage,
    OciConfig,
    PackageName,
    Repository,
    Touch,
    Transaction,
)
from tests.plan.sets import BASE, BUSYBOX, image, image_set, site
from tests.runtime.faked import Faked, does, make_fake, reference

HERE = "recipes/tiny/images/base.yaml"
TRAIT = "recipes/tiny/traits/word.yaml"


@pytest.fixture
def faked(tmp_path: Path) -> Faked:
    return Faked(tmp_path / "plan", make_fake(tmp_path / "fake"))


def reason(faked: Faked, tmp_path: Path, *sets: ImageSet | Iterable[Instruction]) -> str:
    """Build one after the other; why the last one rebuilds `base`, as both say."""
    said = ""
    for item in sets:
        made = item if isinstance(item, ImageSet) else image_set(tmp_path, [image("base", BASE, *item)])
        faked.compile(made)
        decision, said = faked.why()["base"]
        assert decision == "stale"
        assert faked.built()["base"] == said
    return said


def at(line: int, text: str, file: str = HERE) -> Instruction:
    """An instruction that stands there."""
    return replace(does(text), spot=Spot(file, line, 5))


def test_lines_that_are_new(faked: Faked, tmp_path: Path) -> None:
    old = [at(4, "a"), at(9, "z")]
    new = [at(4, "a"), at(5, "b"), at(6, "c"), at(11, "z")]
    assert reason(faked, tmp_path, old, new) == f"recipe changed: {HERE}:5:5, {HERE}:6:5"


def test_of_many_the_first_three(faked: Faked, tmp_path: Path) -> None:
    new = [at(4, "a"), *(at(line, f"b{line}") for line in range(5, 10))]
    assert reason(faked, tmp_path, [at(4, "a")], new) == (
        f"recipe changed: {HERE}:5:5, {HERE}:6:5, {HERE}:7:5 and 2 more"
    )


def test_lines_that_are_gone(faked: Faked, tmp_path: Path) -> None:
    old = [at(4, "a"), at(5, "b"), at(6, "c"), at(7, "d")]
    new = [at(4, "a"), at(5, "d")]
    assert reason(faked, tmp_path, old, new) == (
        f"recipe changed: gone from {HERE}:5:5, gone from {HERE}:6:5"
    )


def test_a_line_changed_and_another_gone(faked: Faked, tmp_path: Path) -> None:
    old = [at(4, "a"), at(5, "b"), at(6, "c"), at(7, "d")]
    new = [at(4, "a"), at(5, "B"), at(6, "c")]
    assert reason(faked, tmp_path, old, new) == f"recipe changed: {HERE}:5:5, gone from {HERE}:7:5"


def test_lines_that_changed_places(faked: Faked, tmp_path: Path) -> None:
    old = [at(4, "a"), at(5, "b")]
    new = [at(4, "b"), at(5, "a")]
    said = reason(faked, tmp_path, old, new)
    assert said in {f"recipe changed: {HERE}:4:5", f"recipe changed: {HERE}:5:5"}


def test_a_value_of_the_configuration(faked: Faked, tmp_path: Path) -> None:
    def made(value: str) -> ImageSet:
        item = image("base", BASE, config=OciConfig(env={"A": value}, labels={"x": "y"}))
        return image_set(tmp_path, [replace(item, spots={"env.A": Spot(HERE, 8, 6)})])

    assert reason(faked, tmp_path, made("1"), made("2")) == f"recipe changed: {HERE}:8:6"


def test_what_no_file_says(faked: Faked, tmp_path: Path) -> None:
    sets = []
    for text in ("a", "b"):
        item = replace(image("base", BASE), instructions=(replace(does(text), spot=NOWHERE),))
        sets.append(image_set(tmp_path, [item]))
    assert reason(faked, tmp_path, *sets) == f"recipe changed: {HERE}:1:8"


# ── traits ──────────────────────────────────────────────────────────────────────────────────────────────────


def with_trait(tmp_path: Path, digest: str, *steps: Instruction) -> ImageSet:
    made = image_set(tmp_path, [image("base", BASE, at(4, "a"), *steps)])
    return replace(made, traits={TRAIT: digest})


def test_a_line_of_a_trait(faked: Faked, tmp_path: Path) -> None:
    sets = (with_trait(tmp_path, text, at(3, text, TRAIT)) for text in ("x", "y"))
    assert reason(faked, tmp_path, *sets) == f"trait changed: {TRAIT}:3:5"


def test_a_line_gone_from_a_trait(faked: Faked, tmp_path: Path) -> None:
    old = with_trait(tmp_path, "x", at(3, "b", TRAIT), at(4, "c", TRAIT))
    new = with_trait(tmp_path, "y", at(3, "b", TRAIT))
    assert reason(faked, tmp_path, old, new) == f"trait changed: gone from {TRAIT}:4:5"


def test_a_trait_used_newly_no_longer_and_in_another_way(faked: Faked, tmp_path: Path) -> None:
    without = with_trait(tmp_path, "x")
    one, two = (with_trait(tmp_path, "x", at(3, text, TRAIT)) for text in ("b", "c"))
    assert reason(faked, tmp_path, without, one) == f"recipe changed: it uses {TRAIT}"
    assert reason(faked, tmp_path, two) == f"recipe changed: it uses {TRAIT} in another way"
    three = with_trait(tmp_path, "x", at(5, "d"))
    assert reason(faked, tmp_path, three) == (f"recipe changed: {HERE}:5:5")


# ── files, packages ─────────────────────────────────────────────────────────────────────────────────────────


def test_files_of_the_set(faked: Faked, tmp_path: Path) -> None:
    (tmp_path / "files/tree").mkdir(parents=True)
    names = ("tree/a", "tree/b", "one")
    for name in names:
        (tmp_path / "files" / name).write_text("old")
    steps = [CopyContext(source=name, to="/etc/x/", mode="", owner="") for name in ("tree", "one")]
    assert reason(faked, tmp_path, steps) == "never built here"
    for name in names:
        (tmp_path / "files" / name).write_text("new")
    assert reason(faked, tmp_path, steps) == "file changed: files/tree/a, files/tree/b, files/one"
    (tmp_path / "files/one").chmod(0o755)
    assert reason(faked, tmp_path, steps) == "file changed: files/one"
    # The recipe gives it a mode: that is the recipe's doing.
    steps[1] = replace(steps[1], mode="700")
    assert reason(faked, tmp_path, steps) == f"recipe changed: {HERE}:5:5"


def locked(name: str, version: str, build: str = "5") -> LockedPackage:
    file = f"p/{name}-{version}-1.noarch.rpm"
    return LockedPackage(name, "0", version, "1", "noarch", "os", f"sha256:{build * 64}", file)


def packed(tmp_path: Path, *packages: LockedPackage) -> ImageSet:
    (tmp_path / "repo/p").mkdir(parents=True, exist_ok=True)
    for item in packages:
        (tmp_path / "repo" / item.location).write_text("")
    at = site(repositories=(Repository("os", str(tmp_path / "repo"), "", "", ""),), locked=True)
    step = Transaction(packages=packages, requested=())
    # Nothing is installed on a store that is fake.
    return image_set(tmp_path, [image("base", BASE, replace(step, packages=packages))], at=at)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ([locked("a", "1")], [locked("a", "2")], "a 1-1 -> 2-1"),
        ([locked("a", "1")], [locked("a", "1"), locked("b", "1")], "b 1-1 added"),
        ([locked("a", "1"), locked("b", "1")], [locked("a", "1")], "b 1-1 removed"),
        ([locked("a", "1")], [locked("a", "1", "6")], "a 1-1 rebuilt"),
        (
            [locked(name, "1") for name in "abcde"],
            [locked(name, "2") for name in "abcd"],
            "a 1-1 -> 2-1, b 1-1 -> 2-1, c 1-1 -> 2-1 and 2 more",
        ),
    ],
    ids=["moved", "added", "removed", "rebuilt", "many"],
)
def test_packages(
    faked: Faked, tmp_path: Path, old: list[LockedPackage], new: list[LockedPackage], words: str
) -> None:
    faked.compile(packed(tmp_path, *old))
    faked.run()
    # What could not be installed here is remembered as if it had been.
    (faked.plan / "state/base.inputs").write_text((faked.plan / "keys/base").read_text() + "platform x\n")
    faked.remember_spots("base")
    faked.compile(packed(tmp_path, *new))
    assert faked.why()["base"] == ("stale", f"package {words}")


def test_a_package_that_is_asked_for_is_the_recipes_doing(faked: Faked, tmp_path: Path) -> None:
    def made(*names: str) -> ImageSet:
        asked = tuple(PackageName(name, Spot(HERE, 3, 12 + 4 * number)) for number, name in enumerate(names))
        (tmp_path / "repo").mkdir(exist_ok=True)
        at = site(repositories=(Repository("os", str(tmp_path / "repo"), "", "", "1"),))
        return image_set(tmp_path, [image("base", BASE, Install(packages=asked))], at=at)

    faked.compile(made("one"))
    faked.run()
    (faked.plan / "state/base.inputs").write_text((faked.plan / "keys/base").read_text())
    faked.remember_spots("base")
    faked.compile(made("one", "two"))
    assert faked.why()["base"] == ("stale", f"recipe changed: {HERE}:3:16")


# ── images ──────────────────────────────────────────────────────────────────────────────────────────────────


def family(tmp_path: Path, parent: str | BaseImage | EmptyRoot) -> ImageSet:
    touch = Touch(paths=("/a",), mode="")
    base = image("base", parent, touch)
    return image_set(tmp_path, [image("one", BASE), image("two", BASE, touch), base])


def test_another_parent_is_the_recipes_doing(faked: Faked, tmp_path: Path) -> None:
    sets = [family(tmp_path, name) for name in ("one", "two")]
    faked.compile(sets[0])
    faked.built()
    assert reason(faked, tmp_path, sets[1]) == f"recipe changed: {HERE}:2:7"


def test_another_base_image_is_named(faked: Faked, tmp_path: Path) -> None:
    other = "localhost/other:2"
    faked.set_images({**faked.images(), other: "c" * 64})
    sets = [image_set(tmp_path, [image("base", base)]) for base in (BASE, BaseImage(other))]
    assert reason(faked, tmp_path, *sets) == f"parent changed: {BUSYBOX} -> {other}"


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("localhost/rock", "localhost/rock:latest"),
        ("localhost/rock:2", "localhost/rock:2"),
        ("127.0.0.1:5000/rock", "127.0.0.1:5000/rock:latest"),
        ("rock", "docker.io/library/rock:latest"),
        ("rock:2", "localhost/rock:2"),
        ("hard/rock:2", "docker.io/hard/rock:2"),
    ],
)
def test_a_base_image_that_moved_is_suspected_by_any_name(
    faked: Faked, tmp_path: Path, name: str, listed: str
) -> None:
    """The fake inspects a name as it stands; a real store lists it in full."""
    faked.compile(image_set(tmp_path, [image("base", BaseImage(name))]))
    names = {f"localhost/other/{listed.rpartition('/')[2]}x": "a" * 64}
    faked.set_images({**names, listed: "c" * 64, name: "c" * 64})
    faked.built()
    faked.misbehave("images", f"grep -v ' {name}$' \"$FAKE/images\"; exit" if name != listed else "")
    assert faked.built() == {}
    moved = {key: value for key, value in faked.images().items() if key not in {name, listed}}
    faked.set_images({**moved, listed: "d" * 64, name: "d" * 64})
    assert faked.built() == {"base": f"parent changed: {name}"}
    moved = {key: value for key, value in faked.images().items() if key not in {name, listed}}
    faked.set_images(moved)
    assert faked.built() == {}


def test_who_installs_is_an_input(faked: Faked, tmp_path: Path) -> None:
    def made(release: str, key: str) -> ImageSet:
        (tmp_path / "repo").mkdir(exist_ok=True)
        (tmp_path / "key").write_text(key)
        repository = Repository("os", str(tmp_path / "repo"), "", str(tmp_path / "key"), "1")
        at = replace(site(repositories=(repository,)), release=release)
        return image_set(tmp_path, [image("base", BASE, Install(packages=()))], at=at)

    def again(item: ImageSet) -> tuple[str, str]:
        faked.compile(item)
        said = faked.why()["base"]
        (faked.plan / "state/base.inputs").write_text((faked.plan / "keys/base").read_text())
        faked.remember_spots("base")
        return said

    faked.compile(made("7", "k"))
    faked.run()
    again(made("7", "k"))
    assert again(made("8", "k")) == ("stale", "installer changed")
    assert again(made("8", "K")) == (
        "stale",
        "repository changed (unlocked: any repository change rebuilds)",
    )


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_names(faked: Faked, tmp_path: Path) -> None:
    first, second = ([at(4, text)] for text in ("a", "b"))
    reason(faked, tmp_path, first, second)
    faked.compile(image_set(tmp_path, [image("base", BASE, *first)]))
    assert faked.why()["base"] == (
        "renamed",
        "built from these inputs before; its name moves back to that image",
    )
    faked.built()
    images = faked.images()
    faked.set_images({name: item for name, item in images.items() if name != reference("base")})
    assert faked.why()["base"] == (
        "renamed",
        "its name is missing; the store has the image under its key",
    )
    faked.set_images({**images, reference("base"): "f" * 64})
    assert faked.why()["base"] == (
        "renamed",
        "its name is used by another image; the store has the image under its key",
    )
    faked.set_images({BUSYBOX: images[BUSYBOX]})
    assert faked.why()["base"] == ("stale", "image missing from the store")


def test_all_is_forced(faked: Faked, tmp_path: Path) -> None:
    faked.compile(image_set(tmp_path, [image("base", BASE, at(4, "a"))]))
    faked.built()
    assert faked.built(BS_FORCE="1") == {"base": "forced"}


def test_why_asks_repositories_as_the_build_does(faked: Faked, tmp_path: Path) -> None:
    """And where they cannot be reached, both take them as unchanged."""
    repository = tmp_path / "repo"
    (repository / "repodata").mkdir(parents=True)
    index = repository / "repodata/repomd.xml"
    index.write_text("one")
    at = site(repositories=(Repository("os", "", f"file://{repository}", "", ""),))
    made = image_set(tmp_path, [image("base", BASE, Install(packages=()))], at=at)
    faked.compile(made)
    faked.run()
    inputs = (faked.plan / "keys/base").read_text() + (faked.plan / "state/repositories").read_text()
    (faked.plan / "state/base.inputs").write_text(inputs)
    faked.remember_spots("base")
    index.write_text("two")
    before = (faked.plan / "state/repositories").read_text()
    assert faked.why()["base"] == (
        "stale",
        "repository changed (unlocked: any repository change rebuilds)",
    )
    assert (faked.plan / "state/repositories").read_text() == before
    assert [*(faked.plan / "state").glob("why.*")] == []
