"""An image set as a value: what its files say, what that means for each image, and how it is written down.

What an image is made from is worked out here once more, without a line of what is tested: `World.inputs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tests.oracle.ground import BASE, REQUIRES

Flavour = Literal["bare", "locked", "unlocked", "unlocked-url"]
"""Without packages, from a base image; or with packages: locked, or not and carried or fetched."""
Place = tuple[str, int, int]
"""Path below the world, line, column."""

_PACKED = """\
base: {{bootstrap: [root]}}
installer: dnf
repositories:
  disk: {{WHERE, key: files/KEY}}
"""
SITE = {
    "bare": f"base: {{{{image: {BASE}}}}}\ninstaller: dnf\n",
    "locked": _PACKED.replace("WHERE", 'directory: "{repository}"'),
    "unlocked": _PACKED.replace("WHERE", 'directory: "{repository}"'),
    "unlocked-url": _PACKED.replace("WHERE", 'url: "file://{repository}"'),
}


@dataclass
class Recipe:
    """One image as its recipe says it."""

    parent: str
    """Name of an image, or `site`."""
    lines: list[str]
    """Appended, one by one, to a file of its own."""
    again: int = 0
    """How many removals of nothing it has: another way to the same content."""
    env: dict[str, str] = field(default_factory=dict)
    word: str | None = None
    """What it gives to the trait, when it uses that."""
    files: list[str] = field(default_factory=list)
    """Files of the set that it copies."""
    packages: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    """Images it copies from."""
    comments: int = 0
    turn: int = 0
    """By how far its keys are turned from their usual order."""
    folder: str = ""
    """Below `images/`."""


@dataclass
class World:
    """The set, its repository, and what its base image's name means."""

    flavour: Flavour
    recipes: dict[str, Recipe]
    """Parents before children."""
    repository: set[str] = field(default_factory=set)
    """`NAME-VERSION` of the packages it holds."""
    locked: dict[str, str] = field(default_factory=dict)
    """Name -> version, as of the last lock."""
    trait: list[str] = field(default_factory=lambda: ["one"])
    """What the trait says besides the word it is given."""
    trait_comments: int = 0
    files: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Content of a file of the set, and whether it may be executed."""
    overlay: dict[str, str] = field(default_factory=dict)
    """Image -> what an overlay puts into its environment."""
    common: str = "all"
    """A label of every image."""
    base: int = 1
    epoch: int = 1517443200
    form: str = "docker"
    tag: str = "1"
    namespace: str = "demo"
    home: str = "demo"
    """Folder of the set."""

    @property
    def uses_packages(self) -> bool:
        return self.flavour != "bare"

    def reads(self, name: str) -> list[str]:
        """Images of the set that an image is made from, its parent first."""
        recipe = self.recipes[name]
        parent = [] if recipe.parent == "site" else [recipe.parent]
        return [*parent, *(other for other in dict.fromkeys(recipe.copies) if other not in parent)]

    def takes(self, name: str) -> list[str]:
        """Images that an image copies from, but for its parent: everything hangs on that anyway."""
        recipe = self.recipes[name]
        return [other for other in dict.fromkeys(recipe.copies) if other != recipe.parent]

    # ── what it means ───────────────────────────────────────────────────────────────────────────────────────

    def newest(self) -> dict[str, str]:
        """The newest version of each package that the repository holds."""
        found: dict[str, str] = {}
        for item in sorted(self.repository):
            name, version = item.rsplit("-", 1)
            found[name] = version
        return found

    def installs(self, name: str) -> dict[str, str]:
        """Packages of an image's own transaction: what it names, and what that needs, and no ancestor has."""
        recipe = self.recipes[name]
        has: dict[str, str] = {}
        if recipe.parent != "site":
            has = self.holds(recipe.parent)
        named = [*(["root"] if recipe.parent == "site" and self.uses_packages else []), *recipe.packages]
        versions = self.locked if self.flavour == "locked" else self.newest()
        wanted = [need for item in named for need in (item, *REQUIRES.get(item, ()))]
        return {item: versions[item] for item in wanted if item not in has}

    def holds(self, name: str) -> dict[str, str]:
        parent = self.recipes[name].parent
        return {**({} if parent == "site" else self.holds(parent)), **self.installs(name)}

    def inputs(self, name: str) -> tuple[object, ...]:
        """All that decides about an image besides the images it reads."""
        recipe = self.recipes[name]
        origin: object = None
        if recipe.parent == "site" and not self.uses_packages:
            origin = self.base
        elif self.uses_packages and (recipe.packages or recipe.parent == "site"):
            # Without a lock any change of the repository counts.
            held = self.installs(name) if self.flavour == "locked" else sorted(self.repository)
            origin = (repr(held), tuple(recipe.packages))
        return (
            recipe.parent, tuple(recipe.lines), recipe.again, tuple(sorted(recipe.env.items())),
            recipe.word is not None and (recipe.word, tuple(self.trait)),
            tuple((file, self.files[file]) for file in recipe.files), tuple(recipe.copies), origin,
            self.overlay.get(name), self.common, self.epoch, self.form,
        )  # fmt: skip

    # ── how it is written ───────────────────────────────────────────────────────────────────────────────────

    def texts(self, repository: str) -> Iterator[tuple[str, str, dict[str, Place]]]:
        """Every text of the set: path below the world, content, where things stand in it."""
        header = [
            "set: demo", "registry: localhost", f"namespace: {self.namespace}", 'prefix: ""',
            f'tag: "{self.tag}"', f"format: {self.form}", f"epoch: {self.epoch}", "common:", "  labels:",
            f"    common: {self.common}",
        ]  # fmt: skip
        yield self._page("set.yaml", header, {"common": (10, 13)})
        yield (
            f"{self.home}/sites/far.yaml",
            "site: far\n" + SITE[self.flavour].format(repository=repository),
            {},
        )
        for name, (content, _) in self.files.items():
            yield f"{self.home}/files/{name}", content, {}
        head = ["trait: word", *["# more words"] * self.trait_comments, "parameters: {value: }", "steps:"]
        head += ["  - mkdir: /srv", "  - touch: /srv/word", "  - append: '{{ value }}'", "    in: /srv/word"]
        spots = {}
        for line in self.trait:
            spots[f"trait.{line}"] = (len(head) + 1, 5)
            head += [f"  - append: {line}", "    in: /srv/word"]
        yield self._page("traits/word.yaml", head, spots)
        rows, spots = ["overlay: more", "images:"], {}
        for name, value in sorted(self.overlay.items()):
            spots[f"overlay.{name}"] = (len(rows) + 3, 16)
            rows += [f"  {name}:", "    env:", f"      OVERLAY: {value}"]
        if self.overlay:
            yield "more.yaml", "\n".join(rows) + "\n", {key: ("more.yaml", *at) for key, at in spots.items()}
        for name in self.recipes:
            yield self._recipe(name)

    def path(self, name: str) -> str:
        """Where a recipe is written."""
        folder = self.recipes[name].folder
        return f"{self.home}/images/{f'{folder}/' if folder else ''}{name}.yaml"

    def _page(
        self, path: str, lines: list[str], spots: dict[str, tuple[int, int]]
    ) -> tuple[str, str, dict[str, Place]]:
        path = f"{self.home}/{path}"
        return path, "\n".join(lines) + "\n", {key: (path, *at) for key, at in spots.items()}

    def _recipe(self, name: str) -> tuple[str, str, dict[str, Place]]:
        sections = list(self._sections(name))
        turn = self.recipes[name].turn % len(sections)
        lines = ["# a remark"] * self.recipes[name].comments
        spots: dict[str, Place] = {}
        path = self.path(name)
        for section, marks in [*sections[turn:], *sections[:turn]]:
            for key, (line, column) in marks.items():
                spots[f"{name}.{key}"] = (path, len(lines) + line + 1, column)
            lines += section
        return path, "\n".join(lines) + "\n", spots

    def _sections(self, name: str) -> Iterator[tuple[list[str], dict[str, tuple[int, int]]]]:
        """The keys of a recipe, each with lines, and line and column, from 0 and 1, of what it marks."""
        recipe = self.recipes[name]
        yield [f"image: {name}"], {"image": (0, 8)}
        yield [f"from: {recipe.parent}"], {"from": (0, 7)}
        if recipe.word is not None:
            yield [f"uses: [{{word: {recipe.word}}}]"], {}
        if recipe.packages:
            text, marks = "packages: [", {}
            for package in recipe.packages:
                marks[f"package.{package}"] = (0, len(text) + 1)
                text += f"{package}, "
            yield [text.removesuffix(", ") + "]"], marks
        if recipe.env:
            rows = [(key, f"  {key}: {value}") for key, value in recipe.env.items()]
            marks = {f"env.{key}": (line, len(key) + 5) for line, (key, _) in enumerate(rows, 1)}
            yield ["env:", *(text for _, text in rows)], marks
        lines, marks = ["steps:", "  - mkdir: /srv", f"  - touch: /srv/{name}"], {}
        for number in range(recipe.again):
            marks[f"again.{number}"] = (len(lines), 5)
            lines += [f"  - remove: /srv/none-{number}", "    optional: true"]
        for text in recipe.lines:
            marks[f"line.{text}"] = (len(lines), 5)
            lines += [f"  - append: {text}", f"    in: /srv/{name}"]
        for file in recipe.files:
            lines += [f"  - copy: {file}", f"    to: /srv/{file}"]
        for other in recipe.copies:
            lines += [f"  - copy: /srv/{other}", f"    from: {other}", f"    to: /srv/of-{other}-in-{name}"]
        yield lines, marks
