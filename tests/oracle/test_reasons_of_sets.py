"""The words of a reason where a whole set is resolved: variables, overlays, sites, locks, folders."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.diagnostics import Spot
from buildsys.image import ImageSet, Install, OciConfig, PackageName, Transaction
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.oracle.test_reasons import locked, packed
from tests.plan.sets import BASE, image, image_set
from tests.runtime.faked import Faked, does, make_fake, reference

SET = {
    "set.yaml": """\
set: tiny
namespace: tests
prefix: t-
tag: "1"
epoch: 1517443200
site: near
variables:
  colour: red
  unused: here
  words: [one, two]
  parent: base
common:
  labels: {paint: "{{ colour }}"}
""",
    "sites/near.yaml": 'site: near\ninstaller: dnf\nbase: {image: "localhost/busybox:1"}\n',
    "sites/far.yaml": 'site: far\ninstaller: dnf\nbase: {image: "localhost/other:2"}\nlabels: {x: y}\n',
    "traits/says.yaml": """\
trait: says
parameters: {word: hello}
steps:
  - touch: "/word/{{ word }}"
  - touch: "/words/{{ words | join('-') }}"
""",
    "images/base.yaml": """\
image: base
from: site
uses: [{says: {word: "{{ colour }}"}}]
env: {A: "1", COLOUR: "{{ colour }}"}
steps:
  - copy: tree
    to: /tree
  - copy: one
    to: /one
  - touch: "/painted/{{ colour }}"
""",
    "images/child.yaml": 'image: child\nfrom: "{{ parent }}"\n',
    "images/plain.yaml": """\
image: plain
containerfile: ../plain/Containerfile
args: {FLAVOUR: sweet, COLOUR: "{{ colour }}"}
""",
    "plain/Containerfile": (
        "FROM localhost/busybox:1\nARG FLAVOUR\nARG COLOUR\nCOPY a /a\nRUN echo $FLAVOUR >/f\n"
    ),
    "plain/a": "a\n",
    "plain/b": "b\n",
    "files/tree/a": "content a\n",
    "files/tree/sub/b": "content b\n",
    "files/one": "one\n",
}
WITHOUT_COMMON = SET["set.yaml"].partition("common:")[0]


class Tiny:
    """The set, its plan, and a store that is fake."""

    def __init__(self, place: Path) -> None:
        self.place = place / "tiny"
        self.faked = Faked(place / "plan", make_fake(place / "fake"))
        self.faked.set_images({**self.faked.images(), "localhost/other:2": "c" * 64})
        for name, text in SET.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.place / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def resolved(self, *overlays: str, at: str | None = None, **variables: str) -> ImageSet:
        library = load_set(self.place, [self.place / name for name in overlays])
        return resolve(library, site=at, variables=variables, stand_ins=None)

    def reasons(
        self, *overlays: str, at: str | None = None, whole: bool = False, **variables: str
    ) -> dict[str, str]:
        """Why images are stale, by name; remembered as if they had been built. Paths begin at the set."""
        made = self.resolved(*overlays, at=at, **variables)
        self.faked.compile(made)
        found = {}
        for name in made.images:
            done = self.faked.call(
                [str(self.faked.plan / f"steps/{name}.sh")], BS_WHY="1", BS_ALL="1" if whole else ""
            )
            assert done.returncode == 0, done.stderr
            _, decision, reason, _ = done.stdout.split("\t")
            assert decision == "stale"
            if reason != "image missing from the store":
                found[name] = reason.replace(f"{self.place}/", "")
            self._remember(name)
        return found

    def _remember(self, name: str) -> None:
        state = self.faked.plan / "state"
        state.mkdir(exist_ok=True)
        inputs = (self.faked.plan / f"keys/{name}").read_text()
        ids = self.faked.images()
        inputs += "".join(f"image {reference} {identity}\n" for reference, identity in ids.items())
        inputs += "".join(f"image {other} {ids[reference(other)]}\n" for other in NAMES)
        (state / f"{name}.inputs").write_text(inputs)
        self.faked.remember_spots(name)


NAMES = ("base", "child", "plain")


def prepared(made: Tiny) -> None:
    """All names are there, and no image by its key: each step says why it would be built."""
    there = {reference(name): f"{number}" * 64 for number, name in enumerate(NAMES)}
    made.faked.set_images({**made.faked.images(), **there})
    made.edit("set.yaml", SET["set.yaml"], WITHOUT_COMMON)
    assert made.reasons() == dict.fromkeys(NAMES, "never built here")
    assert made.reasons() == {}


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    made = Tiny(tmp_path)
    prepared(made)
    return made


# ── variables, arguments ────────────────────────────────────────────────────────────────────────────────────


def test_a_variable_of_the_set(tiny: Tiny) -> None:
    tiny.edit("set.yaml", "colour: red", "colour: blue")
    said = "variable changed: colour red -> blue (set.yaml:8:11)"
    assert tiny.reasons() == {"base": said, "plain": said}
    tiny.edit("set.yaml", "unused: here", "unused: there")
    assert tiny.reasons() == {}


def test_a_variable_of_the_command_line_and_of_an_overlay(tiny: Tiny) -> None:
    said = "variable changed: colour red -> green (--variable)"
    assert tiny.reasons(colour="green")["base"] == said
    tiny.write("more.yaml", "overlay: more\nvariables: {colour: black}\n")
    assert tiny.reasons("more.yaml")["base"] == ("variable changed: colour green -> black (more.yaml:2:21)")


def test_a_variable_within_a_trait_and_in_from(tiny: Tiny) -> None:
    tiny.edit("set.yaml", "[one, two]", "[one, three]")
    assert tiny.reasons()["base"] == "variable changed: words one two -> one three (set.yaml:10:10)"
    tiny.edit("set.yaml", "parent: base", "parent: plain")
    assert tiny.reasons() == {"child": "variable changed: parent base -> plain (set.yaml:11:11)"}


def test_a_variable_and_a_line_at_once(tiny: Tiny) -> None:
    tiny.edit("set.yaml", "colour: red", "colour: blue")
    tiny.edit("images/base.yaml", '{A: "1"', '{A: "2"')
    assert tiny.reasons()["base"] == (
        "variable changed: colour red -> blue (set.yaml:8:11); recipe changed: images/base.yaml:4:10"
    )


def test_a_variable_of_what_all_images_get(tiny: Tiny) -> None:
    tiny.write("set.yaml", SET["set.yaml"])
    tiny.reasons()
    tiny.edit("set.yaml", "colour: red", "colour: blue")
    assert tiny.reasons()["child"] == "variable changed: colour red -> blue (set.yaml:8:11)"


def test_an_argument_of_a_containerfile(tiny: Tiny) -> None:
    tiny.edit("images/plain.yaml", "FLAVOUR: sweet", "FLAVOUR: sour")
    assert tiny.reasons() == {"plain": "argument changed: FLAVOUR sweet -> sour (images/plain.yaml:3:17)"}
    tiny.edit("images/plain.yaml", "FLAVOUR: sour, ", "")
    assert tiny.reasons() == {"plain": "argument changed: FLAVOUR sour -> none"}


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


FOLDERS = [("files/tree", "base", "files/tree"), ("plain", "plain", "plain")]


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"{name}\n")


def exchanged(folder: Path) -> None:
    fill(folder, "new", "more")
    (folder / "a").unlink()


EDITS: dict[str, tuple[Callable[[Path], object], str]] = {
    "added": (lambda at: (at / "new").write_text("new\n"), "file added: {at}/new"),
    "added below": (lambda at: fill(at, "deep/new"), "file added: {at}/deep/new"),
    "removed": (lambda at: (at / "a").unlink(), "file removed: {at}/a"),
    "renamed": (lambda at: (at / "a").rename(at / "c"), "file renamed: {at}/a -> {at}/c"),
    "changed": (lambda at: (at / "a").write_text("other\n"), "file changed: {at}/a"),
    "may run": (lambda at: (at / "a").chmod(0o755), "file changed: {at}/a"),
    "all of it": (
        exchanged,
        "file added: {at}/more, {at}/new; file removed: {at}/a",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize(("folder", "name", "said"), FOLDERS, ids=["copy", "context"])
def test_files_of_a_folder(tiny: Tiny, folder: str, name: str, said: str, edit: str) -> None:
    if name == "plain":
        tiny.edit("plain/Containerfile", "COPY a /a\n", "COPY . /a/\n")
        tiny.reasons()
    apply, words = EDITS[edit]
    apply(tiny.place / folder)
    # Links and folders beside a Containerfile are part of its context.
    reason = tiny.reasons()[name].replace("files/", "")
    reason = re.sub(r"file added: (\S+/deep), (\S+/deep/new)", r"file added: \2", reason)
    assert reason == words.format(at=said).replace("files/", "")


def test_empty_folders_and_hard_links_of_a_folder(tiny: Tiny) -> None:
    tree = tiny.place / "files/tree"
    (tree / "empty").mkdir()
    assert tiny.reasons()["base"] == "file added: files/tree/empty"
    os.link(tree / "a", tree / "same")
    assert tiny.reasons()["base"] == "file added: files/tree/same"
    (tree / "same").unlink()
    (tree / "same").write_text("content a\n")
    assert tiny.reasons()["base"] == "file changed: files/tree/same"
    (tree / "empty").rmdir()
    assert tiny.reasons()["base"] == "file removed: files/tree/empty"


def test_a_file_and_a_line_at_once(tiny: Tiny) -> None:
    (tiny.place / "files/tree/new").write_text("new\n")
    (tiny.place / "files/one").write_text("another\n")
    tiny.edit("images/base.yaml", '{A: "1"', '{A: "2"')
    assert tiny.reasons()["base"] == (
        "file changed: files/one; file added: files/tree/new; recipe changed: images/base.yaml:4:10"
    )


def test_a_folder_that_is_copied_newly_is_the_recipes_doing(tiny: Tiny) -> None:
    tiny.edit("images/base.yaml", "  - copy: one\n", "  - copy: tree\n    to: /again\n  - copy: one\n")
    assert tiny.reasons()["base"] == "recipe changed: images/base.yaml:8:5"


# ── overlays, sites, locks ──────────────────────────────────────────────────────────────────────────────────


def test_overlays_that_come_and_go(tiny: Tiny) -> None:
    tiny.write("more.yaml", 'overlay: more\nimages: {base: {env: {A: "7"}}}\n')
    assert tiny.reasons("more.yaml")["base"] == "recipe changed: more.yaml:2:26"
    tiny.edit("images/base.yaml", "/painted/", "/drawn/")
    assert tiny.reasons()["base"] == (
        "recipe changed: images/base.yaml:10:5, images/base.yaml:4:10; overlay removed: more.yaml"
    )
    tiny.write("less.yaml", "overlay: less\nimages: {base: {env: {A: null}}}\n")
    assert tiny.reasons("less.yaml")["base"] == (
        "recipe changed: gone from images/base.yaml:4:10; overlay added: less.yaml"
    )


def test_another_site(tiny: Tiny) -> None:
    assert tiny.reasons(at="far")["base"] == "site changed: near -> far (--site)"
    tiny.edit("set.yaml", "site: near", "site: far")
    assert tiny.reasons() == {}


def test_locked_and_unlocked(tmp_path: Path) -> None:
    """The lock itself is named; not each package that it had."""
    faked = Faked(tmp_path / "plan", make_fake(tmp_path / "fake"))
    with_lock = packed(tmp_path, *(locked(name, "1") for name in "abcde"))
    with_lock = replace(with_lock, origin=replace(with_lock.origin, lock="tiny/locks/near.yaml"))
    faked.compile(with_lock)
    faked.run()
    (faked.plan / "state/base.inputs").write_text((faked.plan / "keys/base").read_text())
    faked.remember_spots("base")
    without = replace(
        with_lock,
        site=replace(with_lock.site, locked=False),
        origin=replace(with_lock.origin, lock="--unlocked"),
        images={"base": replace(with_lock.images["base"], instructions=())},
    )
    base = replace(without.images["base"], instructions=(Install(packages=()),))
    faked.compile(replace(without, images={"base": base}))
    assert faked.why()["base"] == ("stale", "lock changed: tiny/locks/near.yaml -> --unlocked")


# ── several at once ─────────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_is_told_and_packages_come_first(tmp_path: Path) -> None:
    faked = Faked(tmp_path / "plan", make_fake(tmp_path / "fake"))

    def made(version: str, label: str, *asked: str) -> ImageSet:
        at = packed(tmp_path, locked("bash", version), locked("sed", "1"))
        names = tuple(
            PackageName(name, Spot("tiny/sites/near.yaml", 3, 10 * number + 10))
            for number, name in enumerate(asked)
        )
        step = Transaction(packages=(locked("bash", version), locked("sed", "1")), requested=names)
        item = image("base", BASE, step, config=OciConfig(labels={"x": label}))
        item = replace(item, spots={"labels.x": Spot("tiny/images/base.yaml", 4, 12)})
        return replace(at, images={"base": item})

    faked.compile(made("1", "a", "bash", "sed"))
    faked.run()
    (faked.plan / "state/base.inputs").write_text((faked.plan / "keys/base").read_text())
    faked.remember_spots("base")
    faked.compile(made("2", "b", "sed", "bash"))
    said = faked.why()["base"]
    assert said[0] == "stale"
    assert re.fullmatch(
        r"package bash 1-1 -> 2-1; recipe changed: tiny/sites/near.yaml:3:[12]0, tiny/images/base.yaml:4:12",
        said[1],
    )


def test_all_can_be_seen(tmp_path: Path) -> None:
    faked = Faked(tmp_path / "plan", make_fake(tmp_path / "fake"))
    first = image_set(tmp_path, [image("base", BASE, *map(does, "abcde"))])
    faked.compile(first)
    faked.built()
    here = first.images["base"].spot
    steps = [replace(does(text), spot=replace(here, line=line)) for line, text in enumerate("vwxyz", 4)]
    faked.compile(image_set(tmp_path, [image("base", BASE, *steps)]))
    at = [f"recipes/tiny/images/base.yaml:{line}:8" for line in range(4, 9)]
    assert faked.why()["base"][1] == f"recipe changed: {', '.join(at[:3])} and 2 more"
    done = faked.call(["bash", str(faked.plan / "lib/why.sh")], BS_ALL="1")
    assert done.stdout == f"base\tstale\trecipe changed: {', '.join(at)}\n"
    faked.built()
    log = (faked.plan / "logs/base.log").read_text()
    assert f"base: building: recipe changed: {', '.join(at)}\n" in log
